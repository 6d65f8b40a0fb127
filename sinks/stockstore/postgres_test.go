package stockstore_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sinks/stockstore"
)

func waitWake(t testing.TB, s *stockstore.Store, why string) {
	t.Helper()
	select {
	case <-s.Wake():
	case <-time.After(10 * time.Second):
		t.Fatalf("not woken %s", why)
	}
}

// TestWakeFromAnotherProcess: the relay hears of applies elsewhere, also after
// its connection was cut.
func TestWakeFromAnotherProcess(t *testing.T) {
	t.Parallel()
	cfg := stockstore.Config{Postgres: testenv.Database(t)}
	db := openSQL(t, "pgx", cfg.Postgres)
	applying, relaying := openStore(t, cfg), openStore(t, cfg)
	defer applying.Close()
	defer relaying.Close()
	w := &testLog{source: "wms"}
	waitWake(t, relaying, "when it had begun to listen")
	for round := range 2 {
		w.apply(t, applying, w.row(1, "A", int64(round+1)))
		waitWake(t, relaying, "by an apply in another process")
		if round == 0 {
			mustExec(t, db, `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and query like 'listen %'`)
			waitWake(t, relaying, "when it had begun to listen again")
		}
	}
}

// TestPlansDoNotDependOnStatistics: from an empty table on, without statistics,
// every row is looked up by its key, once for each time that it is named.
func TestPlansDoNotDependOnStatistics(t *testing.T) {
	t.Parallel()
	cfg := stockstore.Config{Postgres: testenv.Database(t), PoolSize: 2}
	db := openSQL(t, "pgx", cfg.Postgres)
	s := openStore(t, cfg)
	mustExec(t, db, `alter table contribution set (autovacuum_enabled = off); alter table cell set (autovacuum_enabled = off)`)
	w := &testLog{source: "wms"}
	const batches, size = 30, 1_000
	named := 0
	for round := range 3 { // insert, update, move
		for n := range batches {
			events := make([]inventory.Event, size)
			for i := range events {
				row := n*size + i
				sku := inventory.SKU(fmt.Sprintf("S%d", row))
				if round == 2 {
					sku += "-moved"
				}
				events[i] = w.row(row, sku, int64(round+1))
			}
			w.apply(t, s, events...)
			named += size
		}
	}
	if err := s.Close(); err != nil { // a session's counts are flushed when it ends
		t.Fatal(err)
	}
	for table, lookups := range map[string]int{"contribution": 2 * named, "cell": 3 * named} {
		var scans, indexed int
		testenv.Eventually(t, 10*time.Second, func() bool {
			err := db.QueryRowContext(t.Context(), `select seq_scan, (select sum(idx_tup_read)::bigint from pg_stat_user_indexes i
				where i.relid = t.relid) from pg_stat_user_tables t where relname = $1`, table).Scan(&scans, &indexed)
			return err == nil && indexed >= named/2
		}, nil)
		// Each index was built by a scan of the empty table. A plan that reads the table for every slice reads a hundred times as many.
		if indexed > lookups || scans > 3 {
			t.Errorf("%s: %d index entries and %d scans of the table for %d rows named", table, indexed, scans, named)
		}
	}
}

// TestDurableWhateverTheDefault: a batch that was acknowledged survives a crash
// although the database commits lazily by default.
func TestDurableWhateverTheDefault(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t, testenv.Setting("synchronous_commit", "off"), testenv.Setting("wal_writer_delay", "10s"))
	if err := server.CreateDatabase(t.Context(), "stock"); err != nil {
		t.Fatal(err)
	}
	cfg := stockstore.Config{Postgres: server.DSN("stock")}
	w := &testLog{source: "wms"}
	for range 3 {
		s := openStore(t, cfg)
		for i := range 5 {
			w.apply(t, s, w.row(i, "A", int64(i)))
		}
		if err := server.Stop(t.Context(), privateserver.Immediate); err != nil {
			t.Fatal(err)
		}
		_ = s.Close() // its connections are gone
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, cfg)
		state, err := s.SourceState(t.Context(), "wms")
		if err != nil || state.Position != w.at {
			t.Errorf("after a crash the store is at %s (%v), it had acknowledged %s", state.Position, err, w.at)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestForeignWriter: rows that something else keeps from being written are an
// error, not a difference between contributions and cells.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	cfg := stockstore.Config{Postgres: testenv.Database(t)}
	db := openSQL(t, "pgx", cfg.Postgres)
	s := openStore(t, cfg)
	defer s.Close()
	w := &testLog{source: "wms"}
	w.apply(t, s, w.row(1, "A", 5))
	mustExec(t, db, `create function swallow() returns trigger language plpgsql as 'begin return null; end'`)
	for _, event := range []string{"update", "delete"} {
		mustExec(t, db, `create trigger swallow before `+event+` on contribution for each row execute function swallow()`)
		e := w.row(1, "A", 6)
		if event == "delete" {
			e.Contributions = nil
		}
		_, err := w.try(t.Context(), s, e)
		if err == nil || !strings.Contains(err.Error(), "something else writes to the tables") {
			t.Errorf("%s swallowed: %v", event, err)
		}
		mustExec(t, db, `drop trigger swallow on contribution`)
	}
	if got := onHandOf(t, s, "A"); got != "5" {
		t.Errorf("on hand %s, want 5", got)
	}
	w.apply(t, s, w.row(1, "A", 7))
}

// TestSchemaOfTheSearchPath: two stores share a database.
func TestSchemaOfTheSearchPath(t *testing.T) {
	t.Parallel()
	dsn := testenv.Database(t)
	mustExec(t, openSQL(t, "pgx", dsn), `create schema one; create schema two`)
	one := openStore(t, stockstore.Config{Postgres: dsn + "&search_path=one"})
	two := openStore(t, stockstore.Config{Postgres: dsn + "&search_path=two"})
	defer one.Close()
	defer two.Close()
	w := &testLog{source: "wms"}
	w.apply(t, one, w.row(1, "A", 5))
	if levels, err := two.Levels(t.Context(), "A"); err != nil || len(levels) != 0 || one.ID() == two.ID() {
		t.Errorf("the other store has %v (%v), ids %s and %s", levels, err, one.ID(), two.ID())
	}
}

// TestSourcesDoNotWait: a source whose worker hangs inside its transaction holds
// up neither another source nor the relay.
func TestSourcesDoNotWait(t *testing.T) {
	t.Parallel()
	cfg := stockstore.Config{Postgres: testenv.Database(t)}
	db := openSQL(t, "pgx", cfg.Postgres)
	s := openStore(t, cfg)
	defer s.Close()
	wms, erp := &testLog{source: "wms"}, &testLog{source: "erp"}
	wms.apply(t, s, wms.row(1, "A", 5))
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), `select 1 from source_state where source = 'wms' for update`); err != nil {
		t.Fatal(err)
	}
	erp.apply(t, s, erp.row(1, "A", 2))
	if got := onHandOf(t, s, "A"); got != "7" {
		t.Errorf("on hand %s, want 7", got)
	}
	if _, err := s.Pending(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wms.apply(t, s, wms.row(1, "A", 6))
}

// TestOutboxRowCommittedLate: a row of the outbox that was numbered first and
// committed last is not passed over.
func TestOutboxRowCommittedLate(t *testing.T) {
	t.Parallel()
	cfg := stockstore.Config{Postgres: testenv.Database(t)}
	db := openSQL(t, "pgx", cfg.Postgres)
	s := openStore(t, cfg)
	defer s.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), `insert into outbox (size, skus, locations) values (1, '{LATE}', '{L}')`); err != nil {
		t.Fatal(err)
	}
	w := &testLog{source: "wms"}
	w.apply(t, s, w.row(1, "EARLY", 5))
	for _, want := range []inventory.SKU{"EARLY", "LATE"} {
		p, err := s.Pending(t.Context(), 0)
		if err != nil || len(p.Levels) != 1 || p.Levels[0].SKU != want {
			t.Fatalf("pending %+v (%v), want %s", p, err, want)
		}
		if want == "EARLY" {
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
