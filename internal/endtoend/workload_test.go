package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// erpSchema is a small ERP: bins that hold parts, and order lines that claim them.
const erpSchema = `
create table bin_stock (
	id bigint primary key,
	sku text,
	site text not null,
	bin_type text not null default 'PICK',
	qty numeric(12,3) not null,
	note text not null default ''
);
create table order_line (
	order_no text not null,
	line int not null,
	sku text not null,
	site text not null,
	status text not null,
	qty int not null,
	qty_shipped int not null default 0,
	primary key (order_no, line)
);
create table audit (id bigserial primary key, what text);
create publication tailstock_erp for table bin_stock, order_line;
`

// erpTables is the mapping of erpSchema, indented to stand under a source. The
// note decides over a quantity so that a value is needed that an update which
// leaves it alone does not send.
const erpTables = `
    tables:
      public.bin_stock:
        contributes:
          - when: bin_type != "VOID"
            sku: sku
            location: site
            on_hand: qty
            unavailable: 'bin_type == "QC" or len(note) > 5000 ? qty : 0'
      public.order_line:
        contributes:
          - when: status in ["open", "picking"]
            sku: sku
            location: site
            committed: qty - qty_shipped
`

// erpContributions computes what every row contributes, with nothing of ours.
const erpContributions = `
select 'public.bin_stock' as table_name, '[' || id || ']' as row_key, sku, site as location, qty as on_hand,
	0::numeric as committed, case when bin_type = 'QC' or length(note) > 5000 then qty else 0 end as unavailable
from bin_stock where bin_type <> 'VOID'
union all
select 'public.order_line', '["' || order_no || '",' || line || ']', sku, site, 0, qty - qty_shipped, 0
from order_line where status in ('open', 'picking')`

// workload changes the ERP as an application would: many small transactions by
// several people, with savepoints, rollbacks, key changes and the occasional sweep.
type workload struct {
	stop context.CancelFunc
	done sync.WaitGroup
	errs chan error
	// unmapped has people change nothing that is mapped.
	unmapped atomic.Bool
	// harsh has them do all that PostgreSQL can.
	harsh bool

	mu sync.Mutex
	// committed holds the ids of transactions that are known to have committed.
	committed []string
}

// worker is one session of a workload.
type worker struct {
	w    *workload
	rng  *rand.Rand
	conn *pgx.Conn
	// marker is a row that every transaction of this worker changes, so that each
	// has something to say.
	marker int
}

const (
	workers = 2
	bins    = 300
	orders  = 60
)

// Of a harsh workload there are more workers, who share more rows.
const (
	harshWorkers = 8
	spread       = 2_000
)

func sku(rng *rand.Rand) string  { return fmt.Sprintf("BRK-%03d", rng.IntN(40)) }
func site(rng *rand.Rand) string { return []string{"DC1", "DC2", "Shop 7"}[rng.IntN(3)] }

// work starts a workload. It goes on, through restarts of the database as well,
// until it is ended.
func (s *system) work(t *testing.T, rng *rand.Rand) *workload {
	t.Helper()
	return s.workWith(t, rng, workers, false)
}

// writeHarshly starts a workload with everything that PostgreSQL can do.
func (s *system) writeHarshly(t *testing.T, rng *rand.Rand) *workload {
	t.Helper()
	return s.workWith(t, rng, harshWorkers, true)
}

func (s *system) workWith(t *testing.T, rng *rand.Rand, n int, harsh bool) *workload {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &workload{stop: stop, errs: make(chan error, n), harsh: harsh}
	for i := range n {
		k := &worker{w: w, rng: rand.New(rand.NewPCG(rng.Uint64(), 0)), marker: bins + i}
		w.done.Go(func() {
			if err := k.run(ctx, s.erp.DSN("postgres")); err != nil {
				w.errs <- err
			}
		})
	}
	t.Cleanup(func() { stop(); w.done.Wait() })
	return w
}

// end stops the workload and returns the transactions that are known to have committed.
func (w *workload) end(t *testing.T) []string {
	t.Helper()
	w.stop()
	w.done.Wait()
	select {
	case err := <-w.errs:
		t.Fatalf("workload: %v", err)
	default:
	}
	return w.committed
}

// run runs transactions until ctx ends, connecting again when the database went away.
func (k *worker) run(ctx context.Context, dsn string) error {
	for ctx.Err() == nil {
		err := k.session(ctx, dsn)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code[:2] != "57" { // 57P01: terminated by administrator
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (k *worker) session(ctx context.Context, dsn string) (err error) {
	// A transaction that was begun is finished, so that it is known how it ended.
	finish := context.WithoutCancel(ctx)
	if k.conn, err = pgx.Connect(finish, dsn); err != nil {
		return nil // it is being restarted
	}
	defer k.conn.Close(finish)
	if k.w.harsh {
		// What waits behind a commit that hangs gives up.
		if _, err := k.conn.Exec(finish, `set lock_timeout = '100ms'`); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		if err := k.step(finish); err != nil {
			return err
		}
	}
	return nil
}

// step runs one transaction. Conflicts of the workload with itself roll back,
// as they would in an application, and are not errors.
func (k *worker) step(ctx context.Context) error {
	if k.w.unmapped.Load() {
		_, err := k.conn.Exec(ctx, `insert into audit (what) values ($1)`, note(k.rng))
		return err
	}
	tx, err := k.conn.Begin(ctx)
	if err != nil {
		return err
	}
	var id string
	err = tx.QueryRow(ctx, `insert into bin_stock (id, sku, site, qty) values ($1, 'MARKER', 'DC1', 1)
		on conflict (id) do update set qty = bin_stock.qty + 1 returning pg_current_xact_id()::text`, k.marker).Scan(&id)
	if conflict(err) {
		return tx.Rollback(ctx)
	}
	if err != nil {
		return err
	}
	most := 8
	if k.w.harsh {
		most = 4 // they meet often enough
	}
	for range 1 + k.rng.IntN(most) {
		err := k.statement(ctx, tx)
		if conflict(err) {
			return tx.Rollback(ctx)
		}
		if err != nil {
			return err
		}
	}
	committed, err := k.finish(ctx, tx)
	if err != nil || !committed {
		return err
	}
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	k.w.committed = append(k.w.committed, id)
	return nil
}

// finish commits the transaction, or does not.
func (k *worker) finish(ctx context.Context, tx pgx.Tx) (committed bool, err error) {
	switch {
	case k.rng.IntN(10) == 0:
		return false, tx.Rollback(ctx)
	case k.w.harsh && k.rng.IntN(8) == 0:
		return k.finishPrepared(ctx)
	case k.w.harsh && k.rng.IntN(3) == 0:
		// Waits neither for the disk nor for a standby.
		if _, err := tx.Exec(ctx, "set local synchronous_commit = off"); err != nil {
			return false, err
		}
	}
	return true, tx.Commit(ctx)
}

// conflict reports whether err is a refusal of the database's own rules: a
// constraint, a deadlock, or a lock that somebody else holds for too long.
func conflict(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "23" || pg.Code[:2] == "40" || pg.Code == "55P03")
}

func (k *worker) statement(ctx context.Context, tx pgx.Tx) error {
	if k.rng.IntN(8) > 0 {
		return k.change(ctx, tx)
	}
	// A savepoint, half of the time rolled back to.
	if _, err := tx.Exec(ctx, "savepoint s"); err != nil {
		return err
	}
	err := k.change(ctx, tx)
	if err != nil && !conflict(err) {
		return err
	}
	if err != nil || k.rng.IntN(2) == 0 {
		_, err := tx.Exec(ctx, "rollback to savepoint s")
		return err
	}
	_, err = tx.Exec(ctx, "release savepoint s")
	return err
}

func (k *worker) change(ctx context.Context, tx pgx.Tx) error {
	if k.w.harsh && k.rng.IntN(10) == 0 {
		return k.changeHarshly(ctx, tx)
	}
	rng := k.rng
	id := k.bin()
	order := fmt.Sprintf("SO-%04d", rng.IntN(orders))
	var sql string
	var args []any
	switch rng.IntN(12) {
	case 0, 1, 2:
		sql = `insert into bin_stock (id, sku, site, bin_type, qty, note) values ($1, $2, $3, $4, $5, $6)
			on conflict (id) do update set qty = bin_stock.qty + excluded.qty`
		args = []any{id, sku(rng), site(rng), []string{"PICK", "QC", "VOID"}[rng.IntN(3)], rng.IntN(50), note(rng)}
	case 3, 4:
		sql, args = `update bin_stock set qty = qty - $2 where id = $1`, []any{id, rng.IntN(10)}
	case 5:
		sql, args = `update bin_stock set sku = $2, site = $3 where id = $1`, []any{id, sku(rng), site(rng)}
	case 6:
		sql, args = `update bin_stock set id = $2 where id = $1`, []any{id, k.bin()}
	case 7:
		sql, args = `delete from bin_stock where id = $1`, []any{id}
	case 8:
		sql = `insert into order_line values ($1, $2, $3, $4, 'open', $5)`
		args = []any{order, rng.IntN(5), sku(rng), site(rng), 1 + rng.IntN(9)}
	case 9:
		sql = `update order_line set status = $2, qty_shipped = least(qty, qty_shipped + $3) where order_no = $1`
		args = []any{order, []string{"picking", "shipped", "cancelled"}[rng.IntN(3)], rng.IntN(3)}
	case 10:
		sql, args = `delete from order_line where order_no = $1`, []any{order}
	default:
		if rng.IntN(40) == 0 {
			_, err := tx.Exec(ctx, `truncate order_line`)
			return err
		}
		sql, args = `insert into audit (what) values ($1)`, []any{note(rng)}
	}
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

// note returns text that is sometimes long enough for PostgreSQL to store it out of line.
func note(rng *rand.Rand) string {
	n := rng.IntN(20)
	if rng.IntN(10) == 0 {
		n = 9000
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rng.IntN(26))
	}
	return string(b)
}
