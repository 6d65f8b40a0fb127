package postgres_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

// progressing runs Tail and signals each progress.
func progressing(t testing.TB, s *postgres.Source, from cdc.Resume) <-chan cdc.Resume {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	progress := make(chan cdc.Resume, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Tail(ctx, from, func(_ context.Context, transaction *cdc.Transaction) error {
			if transaction.Progress() {
				select {
				case progress <- transaction.Resume:
				default:
				}
			}
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return progress
}

func next(t testing.TB, progress <-chan cdc.Resume) cdc.Resume {
	t.Helper()
	select {
	case r := <-progress:
		return r
	case <-time.After(patience):
		t.Fatal("no progress")
		return ""
	}
}

// TestNudge expects progress for each nudge while nothing happens at all, also
// when nothing has happened since the token that Tail began with.
func TestNudge(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock, "stock")
	s := db.source(db.config(), "public.stock: qty")
	s.Nudge() // without a Tail it does nothing
	tl := tail(t, s, "").started()
	db.exec(`CHECKPOINT`)
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	tl.stop()
	s.Nudge()

	progress := progressing(t, s, token)
	// A nudge before Tail streams is kept; how long that takes is not known.
	got := func() cdc.Resume {
		for {
			s.Nudge()
			select {
			case r := <-progress:
				return r
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	if !atLeast(got, position(token)) {
		t.Errorf("progress to %s, before %s", got, token)
	}
	began := time.Now()
	for range 20 {
		s.Nudge()
		if r := next(t, progress); !atLeast(r, position(got)) {
			t.Fatalf("progress back from %s to %s", got, r)
		}
	}
	// Now and then the server says something of its own accord.
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("20 nudges took %v", took)
	}
}

// TestNudgeAtStart expects a nudge that comes while Tail opens its connections
// to be answered.
func TestNudgeAtStart(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	tl.stop()
	sessions := func() string {
		return db.value(`SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'tailstock'`)
	}
	testenv.Eventually(t, patience, func() bool { return sessions() == "0" }, sessions)
	progress := progressing(t, s, token)
	began := time.Now()
	var connected atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !connected.Load() {
			s.Nudge()
		}
	}()
	testenv.Eventually(t, patience, func() bool { return sessions() != "0" }, nil)
	connected.Store(true)
	<-done
	if r := next(t, progress); !atLeast(r, position(token)) {
		t.Errorf("progress to %s, before %s", r, token)
	}
	if took := time.Since(began); took > 10*time.Second { // after a while the server's log goes on by itself
		t.Errorf("progress took %v", took)
	}
}

// TestNudgesKeepTheStreamGoing nudges as fast as it can while rows stream: they
// come all the same, positions are confirmed, and the nudges become few.
func TestNudgesKeepTheStreamGoing(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			s.Nudge()
		}
	}()
	for i := range 100 {
		db.exec(`INSERT INTO stock SELECT ` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + ` * 100 + j, 1 FROM generate_series(1, 20) j`)
	}
	got := tl.take(100)
	stop.Store(true)
	<-done
	if n := len(lines(got)); n != 2000 {
		t.Errorf("got %d changes, want 2000", n)
	}
	s.Confirm(got[99].Resume)
	testenv.Eventually(t, patience, func() bool { return db.reaches(position(got[99].Resume)) }, db.confirmed)
	tl.stop()
}

// TestIdleChunkIsPlacedAtOnce reads chunks of an idle server that logs hints, as
// one with checksums does, so that reading pages for the first time writes log
// that nobody flushes, and expects the stream to reach each soon after a nudge.
func TestIdleChunkIsPlacedAtOnce(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t, func(o *privateserver.PostgresOptions) {
		o.Settings = map[string]string{"wal_log_hints": "on", "wal_writer_delay": "2s", "bgwriter_delay": "10s", "autovacuum": "off"}
	})
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	db.exec(`INSERT INTO stock SELECT i, i FROM generate_series(1, 20000) i`)
	db.exec(`CHECKPOINT`)
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	r := backfill.Request{Table: public("stock"), Limit: 1000}
	var waits []time.Duration
	before := parse(db.value(`SELECT pg_current_wal_insert_lsn()::text`))
	for range 20 {
		c := chunk(t, s, r)
		r.After = c.Last
		began := time.Now()
		if !eventuallyReached(tl, c.View) {
			t.Fatal("the stream never reaches the view")
		}
		waits = append(waits, time.Since(began))
	}
	if wrote := parse(db.value(`SELECT pg_current_wal_insert_lsn()::text`)) - before; wrote < 1<<16 {
		t.Errorf("reading wrote %d bytes of log, the test is void", wrote)
	}
	slices.Sort(waits)
	t.Logf("median %v, longest %v", waits[10], waits[19])
	if waits[10] > 200*time.Millisecond {
		t.Errorf("placing an idle chunk took %v", waits)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; CREATE TABLE many (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
		CREATE TABLE grown (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
		CREATE TABLE split (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE split_a PARTITION OF split FOR VALUES FROM (0) TO (3001);
		CREATE TABLE split_b PARTITION OF split FOR VALUES FROM (3001) TO (9000);
		CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent);
		INSERT INTO stock SELECT i, i FROM generate_series(1, 7) i;
		INSERT INTO many SELECT generate_series(1, 50000);
		INSERT INTO grown SELECT generate_series(1, 1000);
		INSERT INTO split SELECT generate_series(1, 8000);
		INSERT INTO parent VALUES (1); INSERT INTO child SELECT generate_series(1, 50);
		ANALYZE grown; ANALYZE split; ANALYZE child; INSERT INTO grown SELECT generate_series(1001, 20000)`, "stock")
	s := db.source(db.config(), "public.stock: qty")
	for table, want := range map[string][2]int64{
		"stock": {7, 7}, "many": {10_000, 200_000}, "grown": {15_000, 25_000}, "split": {7_900, 8_100}, "parent": {1, 1},
	} {
		if n, err := s.Estimate(t.Context(), public(table)); err != nil || n < want[0] || n > want[1] {
			t.Errorf("%s: %d, %v; want %v", table, n, err, want)
		}
	}
	if n, err := s.Estimate(t.Context(), public("nosuch")); err == nil {
		t.Errorf("a table that is not there has %d rows", n)
	}
}

// TestWant changes what is captured between two Tails.
func TestWant(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int, note text); CREATE TABLE bin (id int PRIMARY KEY, n int)`, "stock, bin")
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	db.exec(`INSERT INTO stock VALUES (1, 2, 'x')`)
	token := tl.take(1)[0].Resume
	before := chunk(t, s, backfill.Request{Table: public("stock"), Limit: 10})
	tl.stop()

	s.Want(cdc.Wanted{public("stock"): {"note", "qty"}, public("bin"): {"n"}})
	tl = tail(t, s, token)
	db.exec(`INSERT INTO stock VALUES (2, 3, 'y')`)
	db.exec(`INSERT INTO bin VALUES (1, 5)`)
	got := tl.take(2)
	if l := lines(got); l[0] != "insert public.stock to id=2,qty=3,note=y" || l[1] != "insert public.bin to id=1,n=5" {
		t.Errorf("streamed %q", l)
	}
	after := chunk(t, s, backfill.Request{Table: public("stock"), Limit: 10})
	if rows := joined(after.Rows); len(before.Table.Columns) != 2 || !slices.Equal(rows, []string{"1|2|x", "2|3|y"}) {
		t.Errorf("read %q", rows)
	}
	if after.Table != got[0].Changes[0].Table {
		t.Error("chunk and stream have two versions of the same table")
	}
	chunk(t, s, backfill.Request{Table: public("bin"), Limit: 10})
}
