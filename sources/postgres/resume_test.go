package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// read follows db until one transaction was read, and returns its token.
func (db *database) read(t *testing.T) cdc.Resume {
	t.Helper()
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	tl.stop()
	return token
}

// reasonOf returns the reason of a gap, or what err is instead.
func reasonOf(err error) string {
	var gap *cdc.GapError
	if errors.As(err, &gap) && gap.Detail != "" && gap.Fix != "" {
		return string(gap.Reason)
	}
	return fmt.Sprintf("%T: %v", err, err)
}

func TestContinuity(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm  func(db *database, token cdc.Resume) cdc.Resume
		wants cdc.GapReason
	}{
		"slot dropped": {func(db *database, token cdc.Resume) cdc.Resume {
			db.exec(`SELECT pg_drop_replication_slot('` + db.name + `')`)
			return token
		}, cdc.GapSlotMissing},
		"slot dropped and made anew": {func(db *database, token cdc.Resume) cdc.Resume {
			db.exec(`INSERT INTO stock VALUES (2, 1)`)
			db.exec(`SELECT pg_drop_replication_slot('` + db.name + `')`)
			db.exec(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'pgoutput')`)
			return token
		}, cdc.GapSlotAdvanced},
		"slot advanced by hand": {func(db *database, token cdc.Resume) cdc.Resume {
			db.exec(`INSERT INTO stock VALUES (2, 1)`)
			db.exec(`SELECT pg_replication_slot_advance('` + db.name + `', pg_current_wal_lsn())`)
			return token
		}, cdc.GapSlotAdvanced},
		"slot of another plugin": {func(db *database, token cdc.Resume) cdc.Resume {
			db.exec(`SELECT pg_drop_replication_slot('` + db.name + `')`)
			db.exec(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'test_decoding')`)
			return token
		}, cdc.GapSlotForeign},
		"physical slot": {func(db *database, token cdc.Resume) cdc.Resume {
			db.exec(`SELECT pg_drop_replication_slot('` + db.name + `')`)
			db.exec(`SELECT pg_create_physical_replication_slot('` + db.name + `')`)
			return token
		}, cdc.GapSlotForeign},
		"another cluster": {func(_ *database, token cdc.Resume) cdc.Resume {
			return cdc.Resume(strings.Replace(string(token), `"system":"`, `"system":"9`, 1))
		}, cdc.GapServerReplaced},
		"a later timeline was read": {func(_ *database, token cdc.Resume) cdc.Resume {
			return cdc.Resume(strings.Replace(string(token), `"timeline":1`, `"timeline":2`, 1))
		}, cdc.GapDiverged},
		"more was read than the server has": {func(_ *database, token cdc.Resume) cdc.Resume {
			return cdc.Resume(strings.Replace(string(token), position(token), "FF/0", 1))
		}, cdc.GapDiverged},
		"token across a commit record": {func(_ *database, token cdc.Resume) cdc.Resume {
			return cdc.Resume(strings.Replace(string(token), position(token), fmt.Sprintf("0/%X", uint32(parse(position(token)))-1), 1))
		}, cdc.GapDiverged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDatabase(t, plainStock, "stock")
			token := test.harm(db, db.read(t))
			tl := tail(t, db.source(db.config(), "public.stock: qty"), token)
			if got := reasonOf(tl.failed()); got != string(test.wants) {
				t.Errorf("Tail failed with %s, want %s", got, test.wants)
			}
			if n := len(tl.transactions()); n != 0 {
				t.Errorf("%d transactions were emitted", n)
			}
		})
	}
}

func TestSlotOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	db, other := newDatabase(t, plainStock, "stock"), newDatabase(t, plainStock, "stock")
	token := db.read(t)
	cfg := other.config()
	cfg.Slot = db.name
	if got := reasonOf(tail(t, other.source(cfg, "public.stock: qty"), token).failed()); got != string(cdc.GapSlotForeign) {
		t.Errorf("Tail failed with %s, want %s", got, cdc.GapSlotForeign)
	}
	var setup *cdc.SetupError
	if err := tail(t, other.source(cfg, "public.stock: qty"), "").failed(); !errors.As(err, &setup) {
		t.Errorf("first Tail failed with %v, want a SetupError", err)
	}
}

func TestUnreadableTokenIsRefused(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	err := tail(t, db.source(db.config(), "public.stock: qty"), `{"file":"binlog.000001"}`).failed()
	if err == nil || !strings.Contains(err.Error(), "resume token") {
		t.Errorf("Tail failed with %v", err)
	}
}

func TestResumeDeliversWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	token := db.read(t)
	db.exec(`INSERT INTO stock VALUES (2, 1)`)
	db.exec(`INSERT INTO stock VALUES (3, 1)`)
	tl := tail(t, db.source(db.config(), "public.stock: qty"), token)
	got := tl.take(2)
	compare(t, lines(got), "insert public.stock to id=2,qty=1", "insert public.stock to id=3,qty=1")
	tl.stop()
	// Every token in between is a place to go on from, whatever the slot has confirmed.
	again := tail(t, db.source(db.config(), "public.stock: qty"), got[0].Resume)
	compare(t, lines(again.take(1)), "insert public.stock to id=3,qty=1")
}

func TestUnusedSlotIsAdopted(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	db.exec(`SELECT pg_create_logical_replication_slot('` + db.name + `', 'pgoutput')`)
	at := db.confirmed()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	compare(t, lines(tl.take(1)), "insert public.stock to id=1,qty=1")
	tl.stop()
	if now := db.confirmed(); now != at {
		t.Errorf("the slot moved from %s to %s", at, now)
	}
}

func TestRefusedSessions(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	db.exec(`CREATE ROLE ` + db.name + `_plain LOGIN`)
	t.Cleanup(func() { db.conn.Exec(context.Background(), `DROP ROLE `+db.name+`_plain`) })
	for name, change := range map[string]func(u *url.URL){
		"role without REPLICATION": func(u *url.URL) { u.User = url.User(db.name + "_plain") },
		"unknown role":             func(u *url.URL) { u.User = url.UserPassword("nobody_of_that_name", "hunter2") },
		"unknown database":         func(u *url.URL) { u.Path = "/no_such_database" },
	} {
		u, err := url.Parse(db.dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		cfg := db.config()
		cfg.DSN = u.String()
		var setup *cdc.SetupError
		err = tail(t, db.source(cfg, "public.stock: qty"), "").failed()
		if !errors.As(err, &setup) || setup.Fix == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want a SetupError with a fix and without the password", name, err)
		}
	}
	cfg := db.config()
	cfg.DSN = "postgres://postgres:hunter2@127.0.0.1:1/none?sslmode=disable"
	var setup *cdc.SetupError
	if err := tail(t, db.source(cfg, "public.stock: qty"), "").failed(); err == nil || errors.As(err, &setup) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("unreachable server: %v, want an error to retry without the password", err)
	}
}

func TestSlotInUseIsNamed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	pid := db.value(`SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = $1`, db.name)
	for _, from := range []cdc.Resume{"", token} {
		err := tail(t, db.source(db.config(), "public.stock: qty"), from).failed()
		var gap *cdc.GapError
		var setup *cdc.SetupError
		if errors.As(err, &gap) || errors.As(err, &setup) || !strings.Contains(err.Error(), "process "+pid+" ") ||
			!strings.Contains(err.Error(), `"tailstock"`) {
			t.Errorf("from %q: %v; want an error to retry that names process %s", from, err, pid)
		}
	}
	db.exec(`INSERT INTO stock VALUES (2, 1)`)
	tl.take(2)
	tl.stop()
}

func TestFailedFirstEmitIsRepeated(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	s := db.source(db.config(), "public.stock: qty")
	refuse := errors.New("refused")
	err := s.Tail(t.Context(), "", func(context.Context, *cdc.Transaction) error { return refuse })
	if !errors.Is(err, refuse) {
		t.Fatalf("Tail returned %v", err)
	}
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	compare(t, lines(tail(t, s, "").take(1)), "insert public.stock to id=1,qty=1")
}

func TestPublicationDropped(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	token := db.read(t)
	db.exec(`DROP PUBLICATION ` + db.name)
	db.exec(`INSERT INTO stock VALUES (2, 1)`)
	var setup *cdc.SetupError
	if err := tail(t, db.source(db.config(), "public.stock: qty"), token).failed(); !errors.As(err, &setup) {
		t.Errorf("without publication: %v, want a SetupError", err)
	}
	db.exec(`CREATE PUBLICATION ` + db.name + ` FOR TABLE stock`)
	if got := reasonOf(tail(t, db.source(db.config(), "public.stock: qty"), token).failed()); got != string(cdc.GapSkipped) {
		t.Errorf("with a publication made later: %s, want %s", got, cdc.GapSkipped)
	}
}

func TestServerCrashAndFastShutdown(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tl := tail(t, s, "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1)`)
	token := tl.take(1)[0].Resume
	for i, mode := range []privateserver.StopMode{privateserver.Immediate, privateserver.Fast} {
		// The monitor is at rest, and nothing is confirmed: a walsender that is
		// alive would hold up a fast shutdown.
		testenv.Eventually(t, patience, func() bool {
			return db.value(`SELECT count(*)::text FROM pg_stat_activity
				WHERE application_name = 'tailstock' AND state = 'idle' AND query LIKE '%sync_state%'`) == "1"
		}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		began := time.Now()
		if err := server.Stop(ctx, mode); err != nil {
			t.Fatal(err)
		}
		cancel()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the server took %v to shut down", took)
		}
		err := tl.failed()
		var gap *cdc.GapError
		var setup *cdc.SetupError
		if err == nil || errors.As(err, &gap) || errors.As(err, &setup) {
			t.Fatalf("Tail failed with %v, want an error to retry", err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		db.conn = connect(t, db.dsn)
		db.exec(fmt.Sprintf(`INSERT INTO stock VALUES (%d, 1)`, i+2))
		tl = tail(t, s, token)
		got := tl.take(1)
		compare(t, lines(got), fmt.Sprintf("insert public.stock to id=%d,qty=1", i+2))
		token = got[0].Resume
	}
}

func TestNewTimeline(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), plainStock, "stock")
	token := db.read(t)
	if err := server.Stop(t.Context(), privateserver.Fast); err != nil {
		t.Fatal(err)
	}
	signal := filepath.Join(filepath.Dir(server.Log()), "data", "standby.signal")
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.conn = connect(t, db.dsn)
	var setup *cdc.SetupError
	if err := tail(t, db.source(db.config(), "public.stock: qty"), token).failed(); !errors.As(err, &setup) {
		t.Errorf("from a standby: %v, want a SetupError", err)
	}
	db.exec(`SELECT pg_promote()`)
	end := db.value(`SELECT pg_current_wal_lsn()::text`)
	db.exec(`INSERT INTO stock VALUES (2, 1)`)
	tl := tail(t, db.source(db.config(), "public.stock: qty"), token)
	got := tl.take(1)
	compare(t, lines(got), "insert public.stock to id=2,qty=1")
	tl.stop()
	if !strings.Contains(string(got[0].Resume), `"timeline":2`) {
		t.Errorf("token %s, want timeline 2", got[0].Resume)
	}
	// Had we read on the old timeline beyond the point where the new one began, what we read would be lost.
	beyond := strings.Replace(string(token), position(token), position(got[0].Resume), 1)
	if got := reasonOf(tail(t, db.source(db.config(), "public.stock: qty"), cdc.Resume(beyond)).failed()); got != string(cdc.GapDiverged) {
		t.Errorf("from beyond the switch point (%s): %s, want %s", end, got, cdc.GapDiverged)
	}
}
