package postgres_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
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
		Features: sourcetest.Features{TruncateInTransaction: true, OmitsLargeValues: true, DiscardsConfirmedLog: true, StreamsBeforeVisible: true},
		Dialect: sourcetest.Dialect{
			UUID: "uuid", LargeText: "text",
			AlterType: func(table, column, newType string) string {
				return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", table, column, newType)
			},
			LazyCommit: "SET LOCAL synchronous_commit = off",
			Prepared: func(name string, statements []string) (prepare []string, commit, abort string) {
				prepare = append(append([]string{"BEGIN"}, statements...), "PREPARE TRANSACTION '"+name+"'")
				return prepare, "COMMIT PREPARED '" + name + "'", "ROLLBACK"
			},
		},
		PartRows: conformancePartRows,
		Start: func(t *testing.T) *sourcetest.Server {
			return conformanceServer(t, testenv.Postgres(t, func(o *privateserver.PostgresOptions) {
				o.Settings = map[string]string{"max_prepared_transactions": "20", "deadlock_timeout": "10ms"}
			}))
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

// conformance is a server under the suite. Publication, slot and the sources'
// application name are all conformanceName.
type conformance struct {
	server *privateserver.Postgres
	db     *sql.DB
}

const conformanceName = "conformance"

func conformanceServer(t *testing.T, server *privateserver.Postgres) *sourcetest.Server {
	t.Helper()
	config, err := pgx.ParseConfig(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	c := &conformance{server: server, db: stdlib.OpenDB(*config)}
	t.Cleanup(func() { _ = c.db.Close() })
	c.exec(t, "CREATE DATABASE elsewhere")
	return &sourcetest.Server{
		Schema: "public", DB: c.db, Publish: c.publish, Open: c.open, Stop: c.stop, Start: c.start, Elsewhere: c.elsewhere,
		Sessions: func(t testing.TB) int {
			return int(c.number(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+conformanceName+"'"))
		},
		// The walsender of PostgreSQL 13 locks the index of a truncated table, which the
		// TRUNCATE holds until it is visible (observed; 14 does without).
		TruncateHolds: c.number(t, "SELECT current_setting('server_version_num')::int / 10000") < 14,
		Hang:          func(t testing.TB) func() { return hangCommits(t, server.DSN("postgres")) },
		Retained: func(t testing.TB) int64 {
			return c.number(t, "SELECT pg_current_wal_lsn() - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '"+conformanceName+"'")
		},
	}
}

func (c *conformance) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := c.db.ExecContext(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (c *conformance) number(t testing.TB, sql string) (n int64) {
	t.Helper()
	if err := c.db.QueryRowContext(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (c *conformance) publish(t testing.TB, tables ...string) {
	c.exec(t, "CREATE PUBLICATION "+conformanceName+" FOR TABLE "+strings.Join(tables, ", "))
}

func (c *conformance) open(t testing.TB, wanted cdc.Wanted) sourcetest.Source {
	open := func(wanted cdc.Wanted) sourcetest.Source {
		s, err := postgres.New(postgres.Config{
			DSN: c.server.DSN("postgres"), Slot: conformanceName, Publication: conformanceName, ApplicationName: conformanceName,
			PartRows: conformancePartRows, WALSenderTimeout: 4 * time.Second, StatusInterval: 100 * time.Millisecond,
		}, wanted, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	return sabotaged(open(wanted), open, wanted)
}

func (c *conformance) stop(t testing.TB) {
	if err := c.server.Stop(t.Context(), privateserver.Immediate); err != nil {
		t.Fatal(err)
	}
}

func (c *conformance) start(t testing.TB) {
	if err := c.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The pool's connections broke with the server.
	testenv.Eventually(t, patience, func() bool { return c.db.PingContext(t.Context()) == nil }, nil)
}

func (c *conformance) elsewhere(t testing.TB) {
	conn := connect(t, c.server.DSN("elsewhere"))
	if _, err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS noise (id int); INSERT INTO noise VALUES (1)"); err != nil {
		t.Fatal(err)
	}
}
