package stockstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is the store in PostgreSQL.
type postgres struct {
	pool *pgxpool.Pool
	log  *slog.Logger
}

// cleanupTime bounds what must be tried even when a context has ended.
const cleanupTime = 5 * time.Second

// postgresConfig reads the connection string. Its errors hold no password.
func postgresConfig(cfg Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	pc.MaxConns = int32(cfg.PoolSize) //nolint:gosec // a handful
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	}
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "tailstock"
	}
	pc.AfterConnect = prepareSession
	return pc, nil
}

// sessionSettings make every statement over arrays run as index look-ups, row by
// row, whatever the statistics say. A plan made for an empty table, or for
// estimates of an array's length, scanned the table once per row instead: 25 s
// for 5,000 rows of 100,000 (PostgreSQL 15). Settings that a server does not
// know are left out. The time-out frees the lock on a source when its worker
// stopped inside a transaction.
const sessionSettings = `select set_config(s.name, v.value, false)
	from pg_settings s join (values
		('plan_cache_mode', 'force_generic_plan'), ('jit', 'off'), ('enable_seqscan', 'off'),
		('enable_bitmapscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),
		('enable_material', 'off'), ('enable_memoize', 'off'), ('idle_in_transaction_session_timeout', '60s')
	) v(name, value) on v.name = s.name
	union all
	select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`

func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, sessionSettings); err != nil {
		return fmt.Errorf("prepare session: %w", err)
	}
	return nil
}

func openPostgres(ctx context.Context, cfg Config, log *slog.Logger) (*postgres, error) {
	pc, err := postgresConfig(cfg)
	if err != nil {
		return nil, err
	}
	// The pool keeps its context for connections that it makes on its own.
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), pc)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return &postgres{pool: pool, log: log}, nil
}

func (p *postgres) close() error {
	p.pool.Close()
	return nil
}

func (p *postgres) read(ctx context.Context, f func(reader) error) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return f(&postgresReader{conn: conn.Conn()})
}

func (p *postgres) snapshot(ctx context.Context, f func(reader) error) error {
	return p.transact(ctx, []string{"begin isolation level repeatable read read only"}, func(tx transaction) error { return f(tx) })
}

func (p *postgres) write(ctx context.Context, d durability, f func(transaction) error) error {
	begin := []string{"begin isolation level read committed"}
	if d == lazy {
		begin = append(begin, "set local synchronous_commit = off")
	}
	return p.transact(ctx, begin, f)
}

// transact sends begin along with the first statement of f, and the commit with
// the last that f left to be sent.
func (p *postgres) transact(ctx context.Context, begin []string, f func(transaction) error) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx := &postgresTx{postgresReader: postgresReader{conn: conn.Conn()}}
	for _, sql := range begin {
		tx.queue(sql)
	}
	if err = f(tx); err == nil {
		tx.queue("commit").Exec(func(tag pgconn.CommandTag) error {
			if tag.String() != "COMMIT" { // a transaction that has failed
				return errors.New("the server rolled back instead of committing")
			}
			return nil
		})
		err = tx.flush(ctx)
	}
	if err != nil {
		_ = tx.settle(ctx) // the connection is free for a statement then
		rollback(ctx, conn.Conn())
	}
	return err
}

// rollback ends a transaction that failed, or closes the connection if that
// fails too; the pool throws such a connection away.
func rollback(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		_ = conn.Close(ctx)
	}
}

// isDataError: classes 22 (data exception) and 23 (integrity constraint
// violation) of the SQLSTATE, and 54000 (a key too large for an index).
func (p *postgres) isDataError(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || len(pe.Code) < 2 {
		return false
	}
	return pe.Code[:2] == "22" || pe.Code[:2] == "23" || pe.Code == "54000"
}

func (p *postgres) dialect() string { return "postgres" }

// hasStore reads the catalog as a table: to_regclass answers from a cache that
// is not refreshed while a transaction waits for the advisory lock.
func (p *postgres) hasStore(ctx context.Context, r reader) (bool, error) {
	found := false
	err := r.query(ctx, func(scan scanFunc) error { return scan(&found) },
		`select exists (select 1 from pg_class where relname = 'store_meta' and pg_table_is_visible(oid))`)
	return found, err
}

// migrationLock is the key of the advisory lock: "tailstoc" in ASCII.
const migrationLock = 0x7461696c73746f63

func (p *postgres) migrateLocked(ctx context.Context, f func(transaction) error) error {
	begin := []string{
		"begin isolation level read committed",
		fmt.Sprintf("select pg_advisory_xact_lock(%d)", int64(migrationLock)),
	}
	return p.transact(ctx, begin, func(tx transaction) error {
		found, err := p.hasStore(ctx, tx)
		if err != nil {
			return err
		}
		if found { // waits for batches under way, and keeps others from beginning
			if _, err := tx.exec(ctx, `lock table source_state in exclusive mode`); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

func (p *postgres) script(ctx context.Context, tx transaction, text string) error {
	// The simple protocol takes several statements at once.
	_, err := tx.(*postgresTx).conn.PgConn().Exec(ctx, text).ReadAll()
	return err
}
