package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
	"tailstock/sources/sourcetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, sourcetest.Harness{
		Features: sourcetest.Features{TruncateInTransaction: true, OmitsLargeValues: true, DiscardsConfirmedLog: true},
		Dialect: sourcetest.Dialect{
			UUID: "uuid", LargeText: "text",
			AlterType: func(table, column, newType string) string {
				return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", table, column, newType)
			},
		},
		PartRows: conformancePartRows,
		Start: func(t *testing.T) *sourcetest.Server {
			return conformanceServer(t, testenv.Postgres(t))
		},
		StartOther: func(t *testing.T) *sourcetest.Server {
			return conformanceServer(t, strangeServer(t))
		},
	})
}

const conformancePartRows = 50

// strangeServer starts a server whose cluster is no copy of the one that other
// test servers are copied from, and so has a system identifier of its own. The
// server's user makes it.
func strangeServer(t *testing.T) *privateserver.Postgres {
	t.Helper()
	var dir string
	first := testenv.Postgres(t, func(o *privateserver.PostgresOptions) { dir = filepath.Join(o.Dir, "other") })
	conn := connect(t, first.DSN("postgres"))
	initdb := fmt.Sprintf("%s/initdb -D %s/data -U postgres -A trust -E UTF8 --no-locale -N", first.BinDir(), dir)
	if _, err := conn.Exec(t.Context(), "COPY (SELECT 1) TO PROGRAM '"+initdb+" > /dev/null'"); err != nil {
		t.Fatal(err)
	}
	return testenv.Postgres(t, func(o *privateserver.PostgresOptions) { o.Dir = dir })
}

func conformanceServer(t *testing.T, server *privateserver.Postgres) *sourcetest.Server {
	t.Helper()
	const name = "conformance"
	config, err := pgx.ParseConfig(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	exec := func(t testing.TB, sql string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	number := func(t testing.TB, sql string) (n int64) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), sql).Scan(&n); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return n
	}
	exec(t, "CREATE DATABASE elsewhere")
	return &sourcetest.Server{
		Schema: "public",
		DB:     db,
		Publish: func(t testing.TB, tables ...string) {
			exec(t, "CREATE PUBLICATION "+name)
			for _, table := range tables {
				exec(t, fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s", name, table))
			}
		},
		Open: func(t testing.TB, wanted cdc.Wanted) sourcetest.Source {
			open := func(wanted cdc.Wanted) sourcetest.Source {
				s, err := postgres.New(postgres.Config{
					DSN: server.DSN("postgres"), Slot: name, Publication: name, PartRows: conformancePartRows,
					ApplicationName: name, WALSenderTimeout: 4 * time.Second, StatusInterval: 100 * time.Millisecond,
				}, wanted, slog.New(slog.DiscardHandler), nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				return s
			}
			return sabotaged(open(wanted), open, wanted)
		},
		Stop: func(t testing.TB) {
			if err := server.Stop(t.Context(), privateserver.Immediate); err != nil {
				t.Fatal(err)
			}
		},
		Start: func(t testing.TB) {
			if err := server.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The pool's connections broke with the server.
			testenv.Eventually(t, patience, func() bool { return db.PingContext(t.Context()) == nil }, nil)
		},
		Elsewhere: func(t testing.TB) {
			conn, err := pgx.Connect(t.Context(), server.DSN("elsewhere"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(t.Context()))
			if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS noise (id int); INSERT INTO noise VALUES (1)"); err != nil {
				t.Fatal(err)
			}
		},
		Sessions: func(t testing.TB) int {
			return int(number(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+name+"'"))
		},
		Retained: func(t testing.TB) int64 {
			return number(t, "SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"+name+"'")
		},
	}
}
