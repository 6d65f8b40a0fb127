package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// database is a database with a publication that a test follows.
type database struct {
	t    testing.TB
	dsn  string
	conn *pgx.Conn
	// name is the name of the publication and of the slot.
	name string
}

// newDatabase makes a database on the shared server, runs the statements in it,
// and publishes the named tables.
func newDatabase(t testing.TB, schema string, tables ...string) *database {
	t.Helper()
	return openDatabase(t, testenv.Database(t), schema, tables...)
}

func openDatabase(t testing.TB, dsn, schema string, tables ...string) *database {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := &database{t: t, dsn: dsn, name: "s_" + strings.TrimPrefix(u.Path, "/"), conn: connect(t, dsn)}
	// The shared server has room for some slots only.
	t.Cleanup(func() {
		const drop = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active`
		_, _ = db.conn.Exec(context.Background(), drop)
	})
	db.exec(schema)
	if len(tables) > 0 {
		db.exec(fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s", db.name, strings.Join(tables, ", ")))
	}
	return db
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

func (db *database) exec(sql string) {
	db.t.Helper()
	if _, err := db.conn.Exec(db.t.Context(), sql); err != nil {
		db.t.Fatalf("%s: %v", sql, err)
	}
}

// value returns the only value that a query yields, as text.
func (db *database) value(sql string, args ...any) string {
	db.t.Helper()
	var s *string
	if err := db.conn.QueryRow(db.t.Context(), sql, args...).Scan(&s); err != nil {
		db.t.Fatalf("%s: %v", sql, err)
	}
	if s == nil {
		return "NULL"
	}
	return *s
}

func (db *database) config() postgres.Config {
	return postgres.Config{
		DSN: db.dsn, Slot: db.name, Publication: db.name,
		WALSenderTimeout: 4 * time.Second,
	}
}

// source makes a source of tables, each given as "schema.table: column, column".
func (db *database) source(cfg postgres.Config, tables ...string) *postgres.Source {
	db.t.Helper()
	wanted := make(cdc.Wanted)
	for _, t := range tables {
		name, columns, _ := strings.Cut(t, ":")
		wanted[cdc.ParseTableName(name)] = strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || r == ' ' })
	}
	s, err := postgres.New(cfg, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		db.t.Fatal(err)
	}
	db.t.Cleanup(func() { _ = s.Close() })
	return s
}

// tailing is a Tail that runs, and what it emitted.
type tailing struct {
	t      testing.TB
	source *postgres.Source
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu       sync.Mutex
	got      []*cdc.Transaction
	changed  chan struct{}
	progress cdc.Resume
	// gate, if not nil, is waited for by every emit.
	gate chan struct{}
}

// tail starts Tail and waits for it to stop at the end of the test.
func tail(t testing.TB, s *postgres.Source, from cdc.Resume) *tailing {
	t.Helper()
	return tailGated(t, s, from, nil)
}

func tailGated(t testing.TB, s *postgres.Source, from cdc.Resume, gate chan struct{}) *tailing {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tl := &tailing{t: t, source: s, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}, 1), gate: gate}
	go func() {
		defer close(tl.done)
		tl.err = s.Tail(ctx, from, tl.emit)
	}()
	t.Cleanup(func() { tl.cancel(); <-tl.done })
	return tl
}

func (tl *tailing) emit(ctx context.Context, t *cdc.Transaction) error {
	if tl.gate != nil && !t.Progress() {
		select {
		case <-tl.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	tl.mu.Lock()
	defer tl.mu.Unlock()
	if !t.Progress() {
		tl.got = append(tl.got, t)
	}
	tl.progress = t.Resume
	select {
	case tl.changed <- struct{}{}:
	default:
	}
	return nil
}

// transactions returns what was emitted so far, without progress.
func (tl *tailing) transactions() []*cdc.Transaction {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	return slices.Clone(tl.got)
}

// token returns the newest token, of transactions and progress.
func (tl *tailing) token() cdc.Resume {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	return tl.progress
}

// wait waits until condition holds, which is looked at after every emit.
func (tl *tailing) wait(what string, condition func() bool) {
	tl.t.Helper()
	timeout := time.After(patience)
	for !condition() {
		select {
		case <-tl.changed:
		case <-tl.done:
			if condition() {
				return
			}
			tl.t.Fatalf("Tail ended while waiting for %s: %v", what, tl.err)
		case <-timeout:
			tl.t.Fatalf("no %s within %v; got %d transactions, token %s", what, patience, len(tl.transactions()), tl.token())
		}
	}
}

// started waits for the first token.
func (tl *tailing) started() *tailing {
	tl.t.Helper()
	tl.wait("first token", func() bool { return tl.token() != "" })
	return tl
}

// take waits for n transactions, counting the parts of one as one, and returns all that were emitted.
func (tl *tailing) take(n int) []*cdc.Transaction {
	tl.t.Helper()
	whole := func() (count int) {
		for _, t := range tl.transactions() {
			if t.Last {
				count++
			}
		}
		return count
	}
	tl.wait(fmt.Sprintf("%d transactions", n), func() bool { return whole() >= n })
	return tl.transactions()
}

// stop ends Tail by its context and fails the test if it ended by something else.
func (tl *tailing) stop() {
	tl.t.Helper()
	tl.cancel()
	select {
	case <-tl.done:
	case <-time.After(patience):
		tl.t.Fatal("Tail did not return after its context ended")
	}
	if !errors.Is(tl.err, context.Canceled) {
		tl.t.Fatalf("Tail returned %v, want context.Canceled", tl.err)
	}
}

// failed waits for Tail to fail by itself.
func (tl *tailing) failed() error {
	tl.t.Helper()
	select {
	case <-tl.done:
	case <-time.After(patience):
		tl.t.Fatalf("Tail did not fail within %v", patience)
	}
	return tl.err
}

// lines renders transactions for comparison, a line for each change.
func lines(transactions []*cdc.Transaction) []string {
	var out []string
	for _, t := range transactions {
		for i := range t.Changes {
			out = append(out, line(&t.Changes[i]))
		}
	}
	return out
}

func line(c *cdc.Change) string {
	s := c.Op.String() + " " + c.Table.Name.String()
	if c.Before != nil {
		s += " from " + image(c.Table, c.Before)
	}
	if c.After != nil {
		s += " to " + image(c.Table, c.After)
	}
	return s
}

func image(t *cdc.Table, row cdc.Row) string {
	fields := make([]string, len(row))
	for i, v := range row {
		fields[i] = t.Columns[i].Name + "=" + v.String()
	}
	return strings.Join(fields, ",")
}
