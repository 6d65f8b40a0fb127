package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
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
	db := newDatabase(t, plainStock, "stock")
	cfg := db.config()
	cfg.WALSenderTimeout, cfg.QueueBytes = time.Second, 64<<10
	gate := make(chan struct{})
	tl := tailGated(t, db.source(cfg, "public.stock: qty"), "", gate).started()
	for i := range 20 {
		db.exec(fmt.Sprintf(`INSERT INTO stock SELECT i, 1 FROM generate_series(%d, %d) i`, i*1000, i*1000+999))
	}
	pid := db.value(`SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = $1`, db.name)
	for start := time.Now(); time.Since(start) < 3*cfg.WALSenderTimeout; {
		if now := db.value(`SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = $1`, db.name); now != pid {
			t.Fatalf("the session that read the slot, %s, is now %s", pid, now)
		}
	}
	close(gate)
	total := 0
	for _, tx := range tl.take(20) {
		total += len(tx.Changes)
	}
	if total != 20_000 {
		t.Errorf("got %d changes, want 20000", total)
	}
	tl.stop()
}
