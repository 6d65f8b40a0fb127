package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

// hang makes commits of the server wait for a standby that does not exist; they
// are streamed and stay invisible until the returned function is called.
func (db *database) hang() (release func()) {
	db.t.Helper()
	return hangCommits(db.t, db.dsn)
}

// hangCommits is hang for the server of a DSN. It returns when commits do hang,
// which is a while after every session knows the setting.
func hangCommits(t testing.TB, dsn string) (release func()) {
	t.Helper()
	conn, probe := connect(t, dsn), connect(t, dsn)
	set := func(value string) {
		for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + value + "'", "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	set("nosuch")
	testenv.Eventually(t, patience, func() bool {
		done := make(chan error, 1)
		go func() {
			_, err := probe.Exec(context.WithoutCancel(t.Context()), "SELECT pg_logical_emit_message(true, 'probe', '')")
			done <- err
		}()
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				return err != nil
			default:
			}
			// Cancelled while it waits, the probe has committed all the same.
			var hangs bool
			const cancel = `SELECT coalesce(bool_or(pg_cancel_backend(pid)), false) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`
			if err := conn.QueryRow(t.Context(), cancel, int64(probe.PgConn().PID())).Scan(&hangs); err != nil {
				t.Error(err)
			}
			if hangs {
				<-done
				return true
			}
		}
	}, nil)
	return sync.OnceFunc(func() { set("") })
}

// hung executes SQL on a connection of its own, and returns once it hangs for
// want of the standby.
func (db *database) hung(sql string) {
	db.t.Helper()
	pid := db.background(sql)
	testenv.Eventually(db.t, patience, func() bool {
		return db.value(`SELECT coalesce(max(wait_event), '') FROM pg_stat_activity WHERE pid = $1::int`, pid) == "SyncRep"
	}, nil)
}

// background executes SQL on a connection of its own, until the test ends, and
// returns the server's process for it.
func (db *database) background(sql string) (pid string) {
	db.t.Helper()
	conn := connect(db.t, db.dsn)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = conn.Exec(ctx, sql)
	}()
	db.t.Cleanup(func() { cancel(); <-done })
	return fmt.Sprint(conn.PgConn().PID())
}

// syncBuffer is a log that a test reads while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestChunkWaitsForTheInvisible streams a commit that nobody sees because of a
// hung synchronous standby: a chunk marked behind it waits and then has it. One
// that was marked before does not wait, does not have it, and says so.
func TestChunkWaitsForTheInvisible(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
	var log syncBuffer
	s, err := postgres.New(db.config(), cdc.Wanted{public("stock"): {"qty"}}, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	tl := tail(t, s, "").started()
	before := s.Mark()
	release := db.hang()
	db.hung(`UPDATE stock SET qty = 2`)
	invisible := tl.take(1)[0]
	behind := s.Mark()

	early, err := s.Read(t.Context(), before, backfill.Request{Table: public("stock"), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(joined(early.Rows)); got != "[1|1]" || early.View.Sees(invisible) {
		t.Errorf("got %s, sees %v; the update is not visible", got, early.View.Sees(invisible))
	}

	type result struct {
		chunk *backfill.Chunk
		err   error
	}
	done := make(chan result, 1)
	go func() {
		c, err := s.Read(t.Context(), behind, backfill.Request{Table: public("stock"), Limit: 10})
		done <- result{c, err}
	}()
	// It says what it waits for, once.
	xid := "transaction=" + invisible.ID
	testenv.Eventually(t, patience, func() bool { return strings.Contains(log.String(), xid) }, log.String)
	select {
	case r := <-done:
		t.Fatalf("Read returned while the update is invisible: %v, %v", r.chunk, r.err)
	default:
	}
	// While it waits it holds nothing.
	if n := db.value(`SELECT count(*)::text FROM pg_locks WHERE relation = 'stock'::regclass AND mode = 'AccessShareLock'`); n != "0" {
		t.Errorf("a chunk that waits holds %s locks on its table", n)
	}
	release()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got := fmt.Sprint(joined(r.chunk.Rows)); got != "[1|2]" || !r.chunk.View.Sees(invisible) {
		t.Errorf("got %s, sees %v; want the update", got, r.chunk.View.Sees(invisible))
	}
	if n := strings.Count(log.String(), xid); n != 1 {
		t.Errorf("the log says %d times what is waited for:\n%s", n, log.String())
	}
	if !r.chunk.View.Reached(invisible.Resume) && !eventuallyReached(tl, r.chunk.View) {
		t.Error("the stream never reaches the view")
	}
}

// eventuallyReached nudges until the stream has reached v.
func eventuallyReached(tl *tailing, v backfill.View) bool {
	deadline := time.Now().Add(patience)
	for !v.Reached(tl.token()) && time.Now().Before(deadline) {
		tl.source.Nudge()
		select {
		case <-tl.changed:
		case <-time.After(10 * time.Millisecond):
		}
	}
	return v.Reached(tl.token())
}

// TestMarkAfterRestart: a commit that an earlier Tail emitted and that is still
// invisible is in the mark of the first emit of the next one, even if that is
// asked for at once.
func TestMarkAfterRestart(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock+`; INSERT INTO stock VALUES (1, 1), (2, 2)`, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	// More to read again before the new Tail is where the old one was.
	const updates = 3000
	db.exec(fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP UPDATE stock SET qty = qty + 1 WHERE id = 2; COMMIT; END LOOP; END $$`, updates))
	tl.take(updates)
	release := db.hang()
	db.hung(`UPDATE stock SET qty = 2 WHERE id = 1`)
	token := tl.take(updates + 1)[updates].Resume
	tl.stop()

	marks := make(chan backfill.Mark, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	next := db.source(db.config(), "public.stock: qty")
	nudging := make(chan struct{})
	go func() {
		defer close(nudging)
		for ctx.Err() == nil {
			next.Nudge()
		}
	}()
	go func() {
		ended <- next.Tail(ctx, token, func(_ context.Context, transaction *cdc.Transaction) error {
			select {
			case marks <- next.Mark():
			default:
			}
			return nil
		})
	}()
	mark := <-marks
	read, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if c, err := next.Read(read, mark, backfill.Request{Table: public("stock"), Limit: 10}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v; want to wait for the update that is still invisible", c, err)
	}
	release()
	if _, err := next.Read(t.Context(), mark, backfill.Request{Table: public("stock"), Limit: 10}); err != nil {
		t.Error(err)
	}
	cancel()
	<-nudging
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestMarkAtFirstToken: a load may begin with the first thing that Tail emits.
func TestMarkAtFirstToken(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
	s := db.source(db.config(), "public.stock: qty")
	enough := errors.New("enough")
	err := s.Tail(t.Context(), "", func(ctx context.Context, _ *cdc.Transaction) error {
		c, err := s.Read(ctx, s.Mark(), backfill.Request{Table: public("stock"), Limit: 10})
		if err != nil {
			return err
		}
		if got := fmt.Sprint(joined(c.Rows)); got != "[1|1]" {
			t.Errorf("read %s", got)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

// TestChunkFromElsewhere refuses to read from another server than the stream's.
func TestChunkFromElsewhere(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
	s := db.source(db.config(), "public.stock: qty")
	request := backfill.Request{Table: public("stock"), Limit: 10}
	if c, err := s.Read(t.Context(), s.Mark(), request); err == nil {
		t.Errorf("got %v with a mark from before any Tail", c)
	}
	if c, err := s.Read(t.Context(), nil, request); err == nil {
		t.Errorf("got %v without a mark", c)
	}
	tl := tail(t, s, "").started()
	mark := s.Mark()

	other := openDatabase(t, strangeServer(t).DSN("postgres"), plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
	other.exec(`ALTER PUBLICATION ` + other.name + ` RENAME TO ` + db.name)
	cfg := db.config()
	cfg.DSN = other.dsn
	strange := db.source(cfg, "public.stock: qty")
	if c, err := strange.Read(t.Context(), mark, request); err == nil || !strings.Contains(err.Error(), "system") {
		t.Errorf("got %v, %v from another server", c, err)
	}
	c := chunk(t, s, request)
	if foreign := strings.Replace(string(tl.token()), `"timeline":1`, `"timeline":2`, 1); foreign == string(tl.token()) || c.View.Reached(cdc.Resume(foreign)) {
		t.Error("the view is reached by a token of another timeline")
	}
	if c.View.Sees(&cdc.Transaction{}) || c.View.Sees(&cdc.Transaction{ID: "x"}) || c.View.Reached("") {
		t.Error("the view knows what is nothing")
	}
}

// TestChunkFromStandby refuses a standby, whose snapshots show what has not committed.
func TestChunkFromStandby(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tail(t, s, "").started().stop()
	db.exec(fmt.Sprintf(`COPY (SELECT 1) TO PROGRAM 'touch %s/standby.signal'`, db.value(`SHOW data_directory`)))
	db.exec(`ALTER SYSTEM SET hot_standby = on`)
	if err := server.Stop(t.Context(), privateserver.Immediate); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var setup *cdc.SetupError
	if c, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: public("stock"), Limit: 10}); !errors.As(err, &setup) || setup.Object != "server" {
		t.Errorf("got %v, %v; want a SetupError about the server", c, err)
	}
}

// TestChunkRights tells what is missing.
func TestChunkRights(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; INSERT INTO stock VALUES (1, 1); CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
		CREATE TABLE part (k ext.citext PRIMARY KEY); CREATE TABLE tenant (id int PRIMARY KEY); ALTER TABLE tenant ENABLE ROW LEVEL SECURITY`, "stock, part, tenant")
	cfg := leastRole(t, db, "stock, part, tenant")
	s := db.source(cfg, "public.stock: qty", "public.part:", "public.tenant:")
	mark := func() backfill.Mark {
		o := db.source(db.config(), "public.stock: qty")
		tail(t, o, "").started().stop()
		return o.Mark()
	}()
	db.exec(`REVOKE SELECT ON stock FROM l_` + db.name + `; GRANT SELECT (id, qty) ON stock TO l_` + db.name)
	for table, fix := range map[string]string{
		"stock":  "GRANT SELECT ON public.stock",
		"part":   "GRANT USAGE ON SCHEMA ext",
		"tenant": "BYPASSRLS",
	} {
		_, err := s.Read(t.Context(), mark, backfill.Request{Table: public(table), Limit: 10})
		var setup *cdc.SetupError
		if !errors.As(err, &setup) || !strings.Contains(setup.Fix, fix) {
			t.Errorf("%s: got %v, want a SetupError with the fix %q", table, err, fix)
		}
	}
	if _, err := s.Read(t.Context(), mark, backfill.Request{Table: public("nosuch"), Limit: 10}); err == nil {
		t.Error("read a table that is not captured")
	}
	for name, r := range map[string]backfill.Request{
		"no limit":    {Table: public("stock")},
		"long cursor": {Table: public("stock"), Limit: 1, Range: backfill.Range{After: backfill.Key{"1", "2"}}},
		"empty bound": {Table: public("stock"), Limit: 1, Range: backfill.Range{Upto: backfill.Key{}}},
		"long key":    {Table: public("stock"), Keys: []backfill.Key{{"1", "2"}}},
		"not a value": {Table: public("stock"), Keys: []backfill.Key{{"x"}}},
	} {
		db.exec(`GRANT SELECT ON stock TO l_` + db.name)
		if c, err := s.Read(t.Context(), mark, r); err == nil {
			t.Errorf("%s: got %v", name, c)
		}
	}
}
