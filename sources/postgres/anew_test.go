package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

// anew follows db from the beginning, after a gap, and expects a row that is
// written from then on.
func (db *database) anew(t *testing.T, s *postgres.Source) *tailing {
	t.Helper()
	tl := tail(t, s, "").started()
	n := len(tl.transactions())
	db.exec(`INSERT INTO stock VALUES ((SELECT max(id) + 1 FROM stock), 77)`)
	tl.wait("the row", func() bool {
		all := tl.transactions()
		return len(all) > n && len(all[len(all)-1].Changes) == 1 && all[len(all)-1].Changes[0].After[1].Text() == "77"
	})
	return tl
}

// TestAnewAfterGap loses continuity in several ways, and expects Tail to say so
// and to change nothing, and then to go on with an empty token.
func TestAnewAfterGap(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(db *database){
		"slot dropped": func(db *database) {
			db.exec(`SELECT pg_drop_replication_slot('` + db.name + `')`)
		},
		"slot advanced": func(db *database) {
			db.exec(`INSERT INTO stock VALUES (2, 1)`)
			db.exec(`SELECT pg_replication_slot_advance('` + db.name + `', pg_current_wal_lsn())`)
		},
		"partition truncated alone": func(db *database) {
			db.exec(`INSERT INTO parts VALUES (1, 1)`)
			db.exec(`TRUNCATE parts_a`)
		},
		"publication missing": func(db *database) {
			db.exec(`DROP PUBLICATION ` + db.name)
			db.exec(`INSERT INTO stock VALUES (2, 1)`)
			db.exec(`CREATE PUBLICATION ` + db.name + ` FOR TABLE stock, parts`)
		},
		"table replaced": func(db *database) {
			db.exec(`INSERT INTO stock VALUES (2, 1)`)
			db.exec(`ALTER TABLE stock RENAME TO old; ALTER TABLE old RENAME CONSTRAINT stock_pkey TO old_pkey; ` + plainStock + `; ALTER PUBLICATION ` + db.name + ` ADD TABLE stock; INSERT INTO stock VALUES (1, 1)`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDatabase(t, plainStock+`; CREATE TABLE parts (id int PRIMARY KEY, qty int) PARTITION BY RANGE (id);
				CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (10) TO (20)`, "stock, parts")
			s := db.source(db.config(), "public.stock: qty", "public.parts: qty")
			tl := tail(t, s, "").started()
			db.exec(`INSERT INTO stock VALUES (1, 1)`)
			token := tl.take(1)[0].Resume
			tl.stop()
			harm(db)
			for range 2 { // it does not heal by itself
				tl = tail(t, s, token)
				if err := tl.failed(); errors.As(err, new(*cdc.GapError)) == false {
					t.Fatalf("got %v, want a gap", err)
				}
			}
			db.anew(t, s).stop()
			// A later Tail goes on from there as always.
			tl = db.anew(t, db.source(db.config(), "public.stock: qty", "public.parts: qty"))
			tl.stop()
		})
	}
}

// TestAnewAfterLostSlot makes the server remove the log that the slot needs.
func TestAnewAfterLostSlot(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	tl.stop()
	db.exec(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`)
	db.exec(`SELECT pg_reload_conf()`)
	testenv.Eventually(t, patience, func() bool {
		db.exec(`SELECT pg_switch_wal()`)
		db.exec(`CREATE TABLE IF NOT EXISTS filler (id int); INSERT INTO filler VALUES (1)`)
		db.exec(`CHECKPOINT`)
		return db.value(`SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1`, db.name) == "lost"
	}, nil)
	tl = tail(t, s, token)
	if reason := reasonOf(tl.failed()); reason != string(cdc.GapSlotLost) {
		t.Fatalf("got %s", reason)
	}
	db.anew(t, s).stop()
	if status := db.value(`SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1`, db.name); status != "reserved" {
		t.Errorf("the slot is %s", status)
	}
}

// TestAnewOnAnotherServer accepts the identity of a server that took the old one's place.
func TestAnewOnAnotherServer(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	token := db.read(t)
	other := openDatabase(t, strangeServer(t).DSN("postgres"), plainStock, "stock")
	s := other.source(other.config(), "public.stock: qty")
	if reason := reasonOf(tail(t, s, token).failed()); reason != string(cdc.GapServerReplaced) {
		t.Fatalf("got %s", reason)
	}
	other.exec(`INSERT INTO stock VALUES (1, 1)`)
	tl := other.anew(t, s)
	if _, theirs := system(token), system(tl.token()); theirs == system(token) {
		t.Errorf("the token has the system %s", theirs)
	}
	tl.stop()
}

// system returns what stands behind the position in a token.
func system(r cdc.Resume) string { return string(r)[len(`{"lsn":"`)+len(position(r)):] }

// TestAnewSparesOthers: a slot that is not ours, or that somebody reads, is never dropped.
func TestAnewSparesOthers(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (10) TO (20)`, "stock, parts")
	s := db.source(db.config(), "public.stock: qty", "public.parts:")
	tl := tail(t, s, "").started()
	db.exec(`TRUNCATE parts_a`)
	if err := tl.failed(); !errors.As(err, new(*cdc.GapError)) {
		t.Fatal(err)
	}
	exists := func() string {
		return db.value(`SELECT count(*) || ' ' || coalesce(max(plugin), '') FROM pg_replication_slots WHERE slot_name = $1`, db.name)
	}
	testenv.Eventually(t, patience, func() bool {
		return db.value(`SELECT active::text FROM pg_replication_slots WHERE slot_name = $1`, db.name) == "false"
	}, nil)
	// Somebody reads it now.
	other := tail(t, db.source(db.config(), "public.stock: qty"), "")
	testenv.Eventually(t, patience, func() bool {
		return db.value(`SELECT active::text FROM pg_replication_slots WHERE slot_name = $1`, db.name) == "true"
	}, nil)
	if err := tail(t, s, "").failed(); errors.As(err, new(*cdc.GapError)) || errors.As(err, new(*cdc.SetupError)) || exists() != "1 pgoutput" {
		t.Errorf("got %v, slot %s; want an error to retry after, and the slot to be left alone", err, exists())
	}
	other.stop()
	db.exec(`SELECT pg_drop_replication_slot('` + db.name + `')`)
	db.exec(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'test_decoding')`)
	if err := tail(t, s, "").failed(); !errors.As(err, new(*cdc.SetupError)) || exists() != "1 test_decoding" {
		t.Errorf("got %v, slot %s; want a SetupError, and the slot to be left alone", err, exists())
	}
}

// TestFirstTokenIsBehindTheVisible makes a slot whose position is behind a commit
// that nobody sees, which the stream therefore never brings: by advancing it, and
// by making it at just the wrong moment. The first token must wait, because every
// chunk relies on it.
func TestFirstTokenIsBehindTheVisible(t *testing.T) {
	t.Parallel()
	t.Run("advanced", func(t *testing.T) {
		t.Parallel()
		db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
		db.exec(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'pgoutput')`)
		release := db.hang()
		db.hung(`UPDATE stock SET qty = 2`)
		db.exec(`SELECT pg_replication_slot_advance('` + db.name + `', pg_current_wal_flush_lsn())`)
		expectPatience(t, db, release)
	})
	t.Run("made", func(t *testing.T) {
		t.Parallel()
		db := openDatabase(t, testenv.Postgres(t).DSN("postgres"), plainStock+`; INSERT INTO stock VALUES (1, 1)`, "stock")
		expectPatience(t, db, db.slotBehindInvisible(t))
	})
}

// slotBehindInvisible makes a slot while transactions run such that one commits
// before the slot's position and stays invisible, and returns what ends that.
// The making goes through two stages, each of which waits for the transactions
// that ran when it began.
func (db *database) slotBehindInvisible(t *testing.T) (release func()) {
	t.Helper()
	first, second := connect(t, db.dsn), connect(t, db.dsn)
	exec := func(conn *pgx.Conn, sql string) {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(first, "BEGIN; CREATE TABLE first ()")
	maker := db.background(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'pgoutput')`)
	waitsFor := func(conn *pgx.Conn) func() bool {
		return func() bool {
			return db.value(`SELECT count(*)::text FROM pg_locks l JOIN pg_locks h ON h.transactionid = l.transactionid AND h.granted
				WHERE l.pid = $1::int AND NOT l.granted AND h.pid = $2::int`, maker, fmt.Sprint(conn.PgConn().PID())) == "1"
		}
	}
	testenv.Eventually(t, patience, waitsFor(first), nil)
	exec(second, "BEGIN; CREATE TABLE second ()")
	exec(first, "ROLLBACK")
	testenv.Eventually(t, patience, waitsFor(second), nil)
	release = db.hang()
	db.hung(`UPDATE stock SET qty = 2`)
	exec(second, "ROLLBACK")
	testenv.Eventually(t, patience, func() bool {
		return db.value(`SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn IS NOT NULL AND NOT active`, db.name) == "1"
	}, nil)
	return release
}

// expectPatience expects the first token not before the update is visible. What
// would be wrong without: a chunk that lacks it, of a stream that does so too.
func expectPatience(t *testing.T, db *database, release func()) {
	t.Helper()
	s, err := postgres.New(db.config(), cdc.Wanted{public("stock"): {"qty"}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = s.Tail(ctx, "", func(ctx context.Context, transaction *cdc.Transaction) error {
		c, err := s.Read(ctx, s.Mark(), backfill.Request{Table: public("stock"), Limit: 10})
		t.Errorf("got %v and could read %v, %v", transaction, joined(c.Rows), err)
		return errors.New("too early")
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Tail returned %v, want to wait", err)
	}
	release()
	tl := tail(t, s, "").started()
	if got := fmt.Sprint(joined(chunk(t, s, backfill.Request{Table: public("stock"), Limit: 10}).Rows)); got != "[1|2]" {
		t.Errorf("read %s, want the update", got)
	}
	if len(tl.transactions()) != 0 {
		t.Errorf("the update was streamed, the test is void")
	}
}
