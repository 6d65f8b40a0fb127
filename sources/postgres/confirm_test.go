package postgres_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

const plainStock = `CREATE TABLE stock (id int PRIMARY KEY, qty int)`

// confirmed returns the slot's confirmed position.
func (db *database) confirmed() string {
	db.t.Helper()
	return db.value(`SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1`, db.name)
}

// reaches reports whether the slot's confirmed position is at or beyond p.
func (db *database) reaches(p string) bool {
	db.t.Helper()
	return db.value(`SELECT (confirmed_flush_lsn >= $2::pg_lsn)::text FROM pg_replication_slots WHERE slot_name = $1`, db.name, p) == "true"
}

// position returns the LSN in a token.
func position(r cdc.Resume) string {
	_, rest, _ := strings.Cut(string(r), `"lsn":"`)
	p, _, _ := strings.Cut(rest, `"`)
	return p
}

func TestNothingIsConfirmedUnasked(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	first := db.confirmed()
	if first != position(tl.token()) {
		t.Errorf("first token at %s, slot at %s", position(tl.token()), first)
	}
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	db.exec(`INSERT INTO stock VALUES (2, 1)`)
	got := tl.take(2)

	// After a status update, which the server shows as the written position.
	testenv.Eventually(t, patience, func() bool {
		return db.value(`SELECT coalesce(bool_or(write_lsn >= $1::pg_lsn), false)::text FROM pg_stat_replication r
			JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE slot_name = $2`, position(got[1].Resume), db.name) == "true"
	}, nil)
	if now := db.confirmed(); now != first {
		t.Errorf("the slot moved from %s to %s without Confirm", first, now)
	}

	tl.source.Confirm(got[0].Resume)
	testenv.Eventually(t, patience, func() bool { return db.confirmed() == position(got[0].Resume) }, db.confirmed)
	tl.source.Confirm(cdc.Resume("nonsense"))
	tl.source.Confirm(cdc.Resume(strings.Replace(string(got[1].Resume), `"system":"`, `"system":"9`, 1)))
	tl.stop()
	if now := db.confirmed(); now != position(got[0].Resume) {
		t.Errorf("the slot is at %s, want %s", now, position(got[0].Resume))
	}
}

func TestLastConfirmIsSentBeforeTailReturns(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	tl.source.Confirm(token)
	tl.stop()
	if got := db.confirmed(); got != position(token) {
		t.Errorf("the slot is at %s, want %s", got, position(token))
	}
	if active := db.value(`SELECT active::text FROM pg_replication_slots WHERE slot_name = $1`, db.name); active != "false" {
		t.Error("the slot is still held after Tail returned")
	}
}

func TestIdleSourceAdvances(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; CREATE TABLE other (id int)`, "stock")
	elsewhere := newDatabase(t, `CREATE TABLE noise (id int)`)
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	first := tl.token()
	for name, write := range map[string]func(){
		"another table":    func() { db.exec(`INSERT INTO other SELECT generate_series(1, 100)`) },
		"another database": func() { elsewhere.exec(`INSERT INTO noise SELECT generate_series(1, 100)`) },
		"no rows at all":   func() { elsewhere.exec(`SELECT pg_switch_wal()`) },
	} {
		write()
		end := db.value(`SELECT pg_current_wal_lsn()::text`)
		// The log goes on by itself at times, with a record of running transactions.
		tl.wait("progress past "+name, func() bool { return atLeast(tl.token(), end) || atBoundary(end) })
		token := tl.token()
		tl.source.Confirm(token)
		testenv.Eventually(t, patience, func() bool { return db.reaches(position(token)) }, db.confirmed)
	}
	if len(tl.transactions()) != 0 || tl.token() == first {
		t.Errorf("got %d transactions and token %s, want progress alone", len(tl.transactions()), tl.token())
	}
}

// parse returns the number that an LSN stands for, 0 if it is none.
func parse(p string) uint64 {
	var hi, lo uint64
	if _, err := fmt.Sscanf(p, "%X/%X", &hi, &lo); err != nil {
		return 0
	}
	return hi<<32 | lo
}

func atLeast(r cdc.Resume, p string) bool {
	return parse(position(r)) >= parse(p)
}

// atBoundary reports whether p is just behind a page header, where an idle
// server reports a position that it never streams up to.
func atBoundary(p string) bool { return strings.HasSuffix(p, "018") || strings.HasSuffix(p, "028") }

func TestOnlyVisibleCommitsAreConfirmed(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	visible := tl.take(1)[0].Resume

	db.exec(`ALTER SYSTEM SET synchronous_standby_names = 'nosuch'`)
	db.exec(`SELECT pg_reload_conf()`)
	testenv.Eventually(t, patience, func() bool { return db.value(`SHOW synchronous_standby_names`) == "nosuch" }, nil)
	hung := connect(t, db.dsn)
	released := make(chan error, 1)
	go func() {
		_, err := hung.Exec(t.Context(), `INSERT INTO stock VALUES (2, 1)`)
		released <- err
	}()
	invisible := tl.take(2)[1]
	if n := db.value(`SELECT count(*)::text FROM stock`); n != "1" {
		t.Fatalf("%s rows are visible, want 1", n)
	}
	// Later commits that do become visible must not carry the confirmation past the hung one.
	db.exec(`SET synchronous_commit = local`)
	db.exec(`INSERT INTO stock VALUES (3, 1)`)
	later := tl.take(3)[2].Resume

	check := func() {
		t.Helper()
		if at := db.confirmed(); parse(at) > parse(invisible.At) {
			t.Fatalf("the slot is at %s, beyond the commit at %s that nobody sees", at, invisible.At)
		}
	}
	tl.source.Confirm(later)
	testenv.Eventually(t, patience, func() bool { return db.reaches(position(visible)) }, db.confirmed)
	for start := time.Now(); time.Since(start) < 2500*time.Millisecond; {
		check()
	}
	tl.stop()
	check()

	// A new process knows nothing but the token, and must find out again.
	second := tail(t, db.source(db.config(), "public.stock: qty"), later)
	second.source.Confirm(later)
	for start := time.Now(); time.Since(start) < 2500*time.Millisecond; {
		check()
	}
	db.exec(`ALTER SYSTEM RESET synchronous_standby_names`)
	db.exec(`SELECT pg_reload_conf()`)
	if err := <-released; err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() bool { return db.reaches(position(later)) }, db.confirmed)
	second.stop()
	if n := len(second.transactions()); n != 0 {
		t.Errorf("%d transactions were emitted again", n)
	}
}

func TestServerIsAnsweredWhileEmitBlocks(t *testing.T) {
	t.Parallel()
	const transactions, rows = 20, 10_000
	db := newDatabase(t, plainStock, "stock")
	cfg := db.config()
	cfg.WALSenderTimeout, cfg.QueueBytes = time.Second, 64<<10
	registry := prometheus.NewPedanticRegistry()
	s, err := postgres.New(cfg, cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty"}}, slog.New(slog.DiscardHandler), registry)
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	tl := tailGated(t, s, "", gate).started()
	for i := range transactions {
		db.exec(fmt.Sprintf(`INSERT INTO stock SELECT i, 1 FROM generate_series(%d, %d) i`, i*rows, i*rows+rows-1))
	}
	session := func() string {
		return db.value(`SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = $1`, db.name)
	}
	pid := session()
	for start := time.Now(); time.Since(start) < 3*cfg.WALSenderTimeout; {
		if now := session(); now != pid {
			t.Fatalf("the session that read the slot, %s, is now %s", pid, now)
		}
	}
	// What is decoded waits in little memory: the rest stays with the server.
	if received := metric(t, registry, "tailstock_postgres_received_bytes_total"); received > 1<<20 {
		t.Errorf("%.0f bytes were received while nothing was taken", received)
	}
	close(gate)
	total := 0
	for _, tx := range tl.take(transactions) {
		total += len(tx.Changes)
	}
	if total != transactions*rows {
		t.Errorf("got %d changes, want %d", total, transactions*rows)
	}
	tl.stop()
}

// metric returns the value of a metric without labels.
func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestNewSlotSurvivesFailover: from version 17 on, a slot can be kept in step on a standby.
func TestNewSlotSurvivesFailover(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	tail(t, db.source(db.config(), "public.stock: qty"), "").started().stop()
	want := "NULL"
	if db.value(`SELECT (current_setting('server_version_num')::int >= 170000)::text`) == "true" {
		want = "true"
	}
	if got := db.value(`SELECT to_jsonb(s)->>'failover' FROM pg_replication_slots s WHERE slot_name = $1`, db.name); got != want {
		t.Errorf("the slot's failover is %s, want %s", got, want)
	}
}

// TestCommitsSideBySide goes on from between two commit records that have nothing between them.
func TestCommitsSideBySide(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	other := connect(t, db.dsn)
	next := 0
	testenv.Eventually(t, patience, func() bool {
		db.exec(fmt.Sprintf(`BEGIN; INSERT INTO stock VALUES (%d, 1)`, next))
		if _, err := other.Exec(t.Context(), fmt.Sprintf(`BEGIN; INSERT INTO stock VALUES (%d, 1)`, next+1)); err != nil {
			t.Fatal(err)
		}
		db.exec(`COMMIT`)
		if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
			t.Fatal(err)
		}
		next += 2
		got := tl.take(next)
		return position(got[next-2].Resume) == got[next-1].At
	}, nil)
	token := tl.transactions()[next-2].Resume
	tl.stop()
	again := tail(t, db.source(db.config(), "public.stock: qty"), token)
	compare(t, lines(again.take(1)), fmt.Sprintf("insert public.stock to id=%d,qty=1", next-1))
}
