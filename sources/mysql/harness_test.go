package mysql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/mysql"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// flavors runs a test on both servers.
func flavors(t *testing.T, test func(t *testing.T, f privateserver.Flavor)) {
	t.Helper()
	for _, f := range []privateserver.Flavor{privateserver.FlavorMariaDB, privateserver.FlavorMySQL} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}

// database is a database that a test follows.
type database struct {
	t      testing.TB
	server *privateserver.MySQL
	name   string
	db     *sql.DB
}

// newDatabase makes a database on the shared server of a flavor, and runs the
// statements in it.
func newDatabase(t testing.TB, f privateserver.Flavor, statements ...string) *database {
	t.Helper()
	server, name := testenv.MySQLDatabase(t, f)
	return openDatabase(t, server, name, statements...)
}

// newServer is newDatabase on a server of the test's own.
func newServer(t testing.TB, f privateserver.Flavor, settings map[string]string, statements ...string) *database {
	t.Helper()
	var options []func(*privateserver.MySQLOptions)
	for name, value := range settings {
		options = append(options, testenv.MySQLSetting(name, value))
	}
	server := testenv.MySQL(t, f, options...)
	if err := server.CreateDatabase(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	return openDatabase(t, server, "shop", statements...)
}

func openDatabase(t testing.TB, server *privateserver.MySQL, name string, statements ...string) *database {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d := &database{t: t, server: server, name: name, db: db}
	d.exec(statements...)
	return d
}

// exec executes statements, on any session.
func (d *database) exec(statements ...string) {
	d.t.Helper()
	for _, s := range statements {
		if _, err := d.db.ExecContext(d.t.Context(), s); err != nil {
			d.t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// session executes statements on one session.
func (d *database) session(statements ...string) {
	d.t.Helper()
	conn, err := d.db.Conn(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		// What was set must not be met by others.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	for _, s := range statements {
		if _, err := conn.ExecContext(d.t.Context(), s); err != nil {
			d.t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// lastServerID makes server ids: every source that follows a shared server needs one of its own.
var lastServerID atomic.Uint32

func (d *database) config() mysql.Config {
	return mysql.Config{DSN: d.server.DSN(d.name), ServerID: 1000 + lastServerID.Add(1), HeartbeatInterval: 100 * time.Millisecond}
}

// source makes a source of tables, each given as "table: column, column".
func (d *database) source(cfg mysql.Config, tables ...string) *mysql.Source {
	d.t.Helper()
	wanted := make(cdc.Wanted)
	for _, t := range tables {
		name, columns, _ := strings.Cut(t, ":")
		wanted[cdc.TableName{Schema: d.name, Name: name}] = strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || r == ' ' })
	}
	s, err := mysql.New(cfg, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = s.Close() })
	return s
}

// follow tails tables from now on.
func (d *database) follow(tables ...string) *tailing {
	d.t.Helper()
	return tail(d.t, d.source(d.config(), tables...), "").started()
}

// tailing is a Tail that runs, and what it emitted.
type tailing struct {
	t      testing.TB
	source *mysql.Source
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu       sync.Mutex
	got      []*cdc.Transaction
	changed  chan struct{}
	progress cdc.Resume
}

// tail starts Tail and waits for it to stop at the end of the test.
func tail(t testing.TB, s *mysql.Source, from cdc.Resume) *tailing {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tl := &tailing{t: t, source: s, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}, 1)}
	go func() {
		defer close(tl.done)
		tl.err = s.Tail(ctx, from, tl.emit)
	}()
	t.Cleanup(func() { tl.cancel(); <-tl.done })
	return tl
}

func (tl *tailing) emit(_ context.Context, t *cdc.Transaction) error {
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
			tl.t.Fatalf("no %s within %v; got %d transactions, token %s\n%s", what, patience, len(tl.transactions()), tl.token(),
				strings.Join(lines(tl.transactions()), "\n"))
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
	s := c.Op.String() + " " + c.Table.Name.Name
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

// expect compares what was emitted with lines.
func expect(t testing.TB, got []*cdc.Transaction, want ...string) {
	t.Helper()
	if !slices.Equal(lines(got), want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines(got), "\n"), strings.Join(want, "\n"))
	}
}
