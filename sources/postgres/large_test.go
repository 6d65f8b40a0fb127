package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
)

// TestLargeTransactionInParts has the process for itself, so that the heap is its own.
func TestLargeTransactionInParts(t *testing.T) { //nolint:paralleltest // it measures the heap
	const rows = 300_000
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int, doc text)`, "stock")
	cfg := db.config()
	cfg.PartRows, cfg.QueueBytes = 1000, 1<<20
	s := db.source(cfg, "public.stock: qty, doc")
	first := tail(t, s, "").started()
	db.exec(`INSERT INTO stock VALUES (0, 0, '')`)
	before := first.take(1)[0].Resume
	first.stop()
	db.exec(fmt.Sprintf(`INSERT INTO stock SELECT i, i, repeat('x', 200) FROM generate_series(1, %d) i`, rows))
	db.exec(`INSERT INTO stock VALUES (-1, 0, '')`)

	// Broken off in the middle, it comes again whole.
	enough := errors.New("enough")
	parts := 0
	err := s.Tail(t.Context(), before, func(_ context.Context, tx *cdc.Transaction) error {
		if parts++; parts == 10 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}

	var peak uint64
	var held cdc.Resume // the log may have gone on a little before the transaction
	n, part := 0, 0
	err = s.Tail(t.Context(), before, func(_ context.Context, tx *cdc.Transaction) error {
		if tx.Progress() {
			return nil
		}
		if tx.Part == 0 && tx.Last {
			if n != rows {
				t.Errorf("the next transaction came after %d changes, want %d", n, rows)
			}
			return enough
		}
		if part == 0 {
			held = tx.Resume
		}
		if tx.Part != part || len(tx.Changes) == 0 || len(tx.Changes) > 1000 || tx.Last != (n+len(tx.Changes) == rows) ||
			(tx.Resume == held) == tx.Last {
			t.Fatalf("part %d after %d changes: part %d, last %v, %d changes, resume %s", part, n, tx.Part, tx.Last, len(tx.Changes), tx.Resume)
		}
		for i := range tx.Changes {
			n++
			if got, want := tx.Changes[i].After[0].Text(), fmt.Sprint(n); got != want {
				t.Fatalf("row %s came when %s was due", got, want)
			}
		}
		if part++; part%50 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	// The rows are 90 MB in memory.
	if peak > 40<<20 {
		t.Errorf("%d MiB of heap were in use", peak>>20)
	}
}

func TestCommitPrepared(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t, testenv.Setting("max_prepared_transactions", "5"))
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	db.exec(`BEGIN; INSERT INTO stock VALUES (1, 1); PREPARE TRANSACTION 'kept'`)
	db.exec(`BEGIN; INSERT INTO stock VALUES (2, 1); PREPARE TRANSACTION 'discarded'`)
	db.exec(`INSERT INTO stock VALUES (3, 1)`)
	db.exec(`ROLLBACK PREPARED 'discarded'`)
	db.exec(`COMMIT PREPARED 'kept'`)
	got := tl.take(2)
	compare(t, lines(got), "insert public.stock to id=3,qty=1", "insert public.stock to id=1,qty=1")
	tl.source.Confirm(got[1].Resume)
	testenv.Eventually(t, patience, func() bool { return db.reaches(position(got[1].Resume)) }, db.confirmed)
}

func TestSlotWithTwoPhaseIsRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t, testenv.Setting("max_prepared_transactions", "5"))
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	if db.value(`SELECT (current_setting('server_version_num')::int >= 140000)::text`) != "true" {
		t.Skip("two_phase slots exist from PostgreSQL 14 on")
	}
	db.exec(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'pgoutput', false, true)`)
	var setup *cdc.SetupError
	if err := tail(t, db.source(db.config(), "public.stock: qty"), "").failed(); !errors.As(err, &setup) {
		t.Errorf("Tail failed with %v, want a SetupError", err)
	}
}

func TestSynchronousStandbyIsRefused(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	db.exec(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
	db.exec(`SELECT pg_reload_conf()`)
	testenv.Eventually(t, patience, func() bool { return db.value(`SHOW synchronous_standby_names`) == "*" }, nil)
	var setup *cdc.SetupError
	if err := tail(t, db.source(db.config(), "public.stock: qty"), "").failed(); !errors.As(err, &setup) || setup.Object != "synchronous_standby_names" {
		t.Errorf("Tail failed with %v, want a SetupError", err)
	}
}

func TestSlotLost(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t, testenv.Setting("max_slot_wal_keep_size", "1MB"), testenv.Setting("min_wal_size", "32MB"), testenv.Setting("max_wal_size", "32MB"))
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	write := func() {
		for range 4 {
			db.exec(`SELECT pg_switch_wal()`)
			db.exec(`INSERT INTO stock SELECT g, 1 FROM generate_series((SELECT coalesce(max(id), 0) + 1 FROM stock), (SELECT coalesce(max(id), 0) + 10 FROM stock)) g`)
		}
		db.exec(`CHECKPOINT`)
	}
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	token := tl.token()
	// While it runs, the server ends the session, and the next look finds out why.
	testenv.Eventually(t, patience, func() bool {
		write()
		return db.value(`SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1`, db.name) == "lost"
	}, nil)
	if err := tl.failed(); err == nil {
		t.Fatal("Tail ended without an error")
	}
	if got := reasonOf(tail(t, db.source(db.config(), "public.stock: qty"), token).failed()); got != string(cdc.GapSlotLost) {
		t.Errorf("Tail failed with %s, want %s", got, cdc.GapSlotLost)
	}
	tail(t, db.source(db.config(), "public.stock: qty"), "").started()
}

func TestSilentServerIsNoticed(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	cfg := db.config()
	cfg.WALSenderTimeout = 2 * time.Second
	tl := tail(t, db.source(cfg, "public.stock: qty"), "").started()
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Continue() })
	err := tl.failed()
	var gap *cdc.GapError
	if err == nil || errors.As(err, &gap) {
		t.Errorf("Tail failed with %v, want an error to retry", err)
	}
}
