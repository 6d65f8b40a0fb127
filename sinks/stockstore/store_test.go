package stockstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
	"tailstock/internal/testenv"
	"tailstock/sinks/stockstore"
)

// dialects runs f for a fresh database of each kind.
func dialects(t *testing.T, f func(t *testing.T, cfg stockstore.Config, db *sql.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "stock.db")
		f(t, stockstore.Config{SQLite: path}, openSQL(t, "sqlite", path))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := testenv.Database(t)
		f(t, stockstore.Config{Postgres: dsn}, openSQL(t, "pgx", dsn))
	})
}

func openSQL(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustExec(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestOpenByManyAtOnce(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		ids := make([]string, 6)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				s, err := stockstore.Open(t.Context(), cfg, nil, prometheus.NewRegistry())
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = s.ID()
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id == "" || id != ids[0] {
				t.Errorf("ids %q of one store", ids)
			}
		}
		n := 0
		if err := db.QueryRowContext(t.Context(), `select count(*) from store_meta`).Scan(&n); err != nil || n != 1 {
			t.Errorf("%d stores (%v)", n, err)
		}
	})
}

// TestNewerSchema: a store that a newer version migrated stops this one, whether
// it opens the store or has it open.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		w := &testLog{source: "wms"}
		w.apply(t, s, w.row(1, "A", 5))
		mustExec(t, db, `update store_meta set schema = 99`)

		var newer *stockstore.SchemaError
		_, err := w.try(t.Context(), s, w.row(1, "A", 6))
		if !errors.As(err, &newer) || !errors.Is(err, connector.ErrFenced) || newer.Store != 99 {
			t.Errorf("apply: %v", err)
		}
		if _, err := s.SourceState(t.Context(), "wms"); !errors.As(err, &newer) {
			t.Errorf("state: %v", err)
		}
		if _, err := s.RelayState(t.Context()); !errors.As(err, &newer) {
			t.Errorf("relay state: %v", err)
		}
		err = s.BeginSession(t.Context(), connector.SessionStart{Session: 1})
		if !errors.Is(err, connector.ErrFenced) {
			t.Errorf("begin session: %v", err)
		}
		_, err = stockstore.Open(t.Context(), cfg, nil, nil)
		if !errors.As(err, &newer) || !strings.Contains(err.Error(), "schema version 99") {
			t.Errorf("open: %v", err)
		}
		if f := findingOf(t, stockstore.Check(t.Context(), cfg), "schema of the stock store"); f.State != "problem" {
			t.Errorf("check: %+v", f)
		}
	})
}

// TestExisting: a command beside the daemon makes and migrates nothing.
func TestExisting(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		only := cfg
		only.Existing = true
		if _, err := stockstore.Open(t.Context(), only, nil, nil); !errors.Is(err, stockstore.ErrNoStore) {
			t.Fatalf("no store: %v", err)
		}
		if _, err := db.ExecContext(t.Context(), `select * from store_meta`); err == nil {
			t.Fatal("a store was made")
		}
		s := openStore(t, cfg)
		defer s.Close()
		if err := openStore(t, only).Close(); err != nil {
			t.Fatal(err)
		}
		mustExec(t, db, `update store_meta set schema = 0`)
		var other *stockstore.SchemaError
		if _, err := stockstore.Open(t.Context(), only, nil, nil); !errors.As(err, &other) || other.Store != 0 {
			t.Errorf("older store: %v", err)
		}
	})
}

func TestSetInstallation(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		for range 2 {
			if err := s.SetInstallation(t.Context(), "production"); err != nil {
				t.Fatal(err)
			}
		}
		var other *stockstore.InstallationError
		if err := s.SetInstallation(t.Context(), "staging"); !errors.As(err, &other) {
			t.Fatalf("another installation: %v", err)
		}
		want := stockstore.InstallationError{Held: "production", Offered: "staging"}
		if *other != want {
			t.Errorf("%+v, want %+v", *other, want)
		}
	})
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  stockstore.Config
		want string
	}{
		"nothing":      {stockstore.Config{}, "one of postgres and sqlite is required"},
		"both":         {stockstore.Config{Postgres: "postgres://h/d", SQLite: "x"}, "exclude each other"},
		"malformed":    {stockstore.Config{Postgres: "postgres://u:secret@h:port/d"}, "postgres: "},
		"keyword form": {stockstore.Config{Postgres: "host=h password=secret port=x"}, "postgres: "},
		"one":          {stockstore.Config{SQLite: "x", PoolSize: 1}, "pool_size"},
		"negative":     {stockstore.Config{SQLite: "x", BusyTimeout: -1}, "timeouts"},
	} {
		err := c.cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %q", name, err)
		}
		if _, open := stockstore.Open(t.Context(), c.cfg, nil, nil); open == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if err := (stockstore.Config{SQLite: "x"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]stockstore.Config{
		"no database file": {SQLite: file},
		"no directory":     {SQLite: filepath.Join(file, "stock.db")},
		"nobody there":     {Postgres: "postgres://u:secret@127.0.0.1:1/d"},
		"no such database": {Postgres: testenv.Database(t) + "x"},
	} {
		if name == "no such database" {
			cfg.Postgres = strings.Replace(cfg.Postgres, "?sslmode=disablex", "nosuch?sslmode=disable", 1)
		}
		_, err := stockstore.Open(t.Context(), cfg, nil, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "open stock store: ") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %q", name, err)
		}
	}
}

// TestSchemaIsPinned compares the tables and views with a golden file: what is
// stored must not change by accident.
func TestSchemaIsPinned(t *testing.T) {
	t.Parallel()
	queries := map[string]string{
		"pgx": `select table_name || '.' || column_name || ' ' || data_type || case is_nullable when 'NO' then ' not null' else '' end
			|| coalesce(' default ' || column_default, '') from information_schema.columns
			where table_schema = 'public' order by table_name, ordinal_position`,
		"sqlite": `select m.name || '.' || c.name || ' ' || lower(c.type) || iif(c."notnull", ' not null', '')
			|| coalesce(' default ' || c.dflt_value, '') from sqlite_schema m, pragma_table_info(m.name) c
			where m.type in ('table', 'view') and m.name not like 'sqlite%' order by m.name, c.cid`,
	}
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		dialect := "sqlite"
		if cfg.Postgres != "" {
			dialect = "pgx"
		}
		rows, err := db.QueryContext(t.Context(), queries[dialect])
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&got, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "schema-"+dialect+".txt"), got.String())
	})
}

// golden compares got with a file, which it writes instead if UPDATE_GOLDEN is set.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestCancelledApply: a batch that is cut short leaves nothing behind, and the
// store goes on.
func TestCancelledApply(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		w := &testLog{source: "wms"}
		w.apply(t, s, w.row(1, "A", 5))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.try(ctx, s, w.row(1, "A", 6)); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		w.apply(t, s, w.row(1, "A", 7))
		if got := onHandOf(t, s, "A"); got != "7" {
			t.Errorf("on hand %s, want 7", got)
		}
	})
}

// TestRestoredUnderRelay: a store that lost commits under a running session has
// not published what it now holds, and must not forget where it was.
func TestRestoredUnderRelay(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s, err := stockstore.Open(t.Context(), cfg, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		first := connector.Place{Stream: "levels"}
		if err := s.BeginSession(t.Context(), connector.SessionStart{Session: 1, Place: first}); err != nil {
			t.Fatal(err)
		}
		for n := range uint64(2) {
			if err := s.Published(t.Context(), 1, connector.Place{Stream: "levels", Session: 1, Sequence: n + 1}, nil); err != nil {
				t.Fatalf("publish %d: %v", n+1, err)
			}
		}
		mustExec(t, db, `update store_meta set levels_sequence = 1`)
		err = s.Published(t.Context(), 1, connector.Place{Stream: "levels", Session: 1, Sequence: 3}, nil)
		if !errors.Is(err, connector.ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
		state, err := s.RelayState(t.Context())
		if err != nil || state.Place.Sequence != 1 {
			t.Errorf("got place %v and %v, want it left at sequence 1", state.Place, err)
		}
	})
}
