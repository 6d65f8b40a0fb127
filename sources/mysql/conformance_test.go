package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/mysql"
	"tailstock/sources/sourcetest"
)

// TestConformance runs the suite on MariaDB, and on MySQL with row images that
// leave out large values which did not change.
func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		sourcetest.Run(t, conformanceHarness(privateserver.FlavorMariaDB, nil))
	})
	t.Run("MySQL", func(t *testing.T) {
		t.Parallel()
		sourcetest.Run(t, conformanceHarness(privateserver.FlavorMySQL, map[string]string{"binlog-row-image": "NOBLOB"}))
	})
}

const conformancePartRows = 50

func conformanceHarness(flavor privateserver.Flavor, settings map[string]string, disturb ...func(testing.TB, *privateserver.MySQL)) sourcetest.Harness {
	features := sourcetest.Features{StreamsBeforeVisible: true, OmitsLargeValues: settings["binlog-row-image"] == "NOBLOB"}
	dialect := sourcetest.Dialect{
		UUID: "uuid", LargeText: "mediumtext", Omitting: []string{"SET SESSION binlog_row_image = MINIMAL"},
		AlterType: func(table, column, newType string) string {
			return fmt.Sprintf("ALTER TABLE %s MODIFY COLUMN %s %s", table, column, newType)
		},
		Prepared: func(name string, statements []string) (prepare []string, commit string, abort []string) {
			xid := "'" + name + "'"
			prepare = append(append([]string{"XA START " + xid}, statements...), "XA END "+xid, "XA PREPARE "+xid)
			return prepare, "XA COMMIT " + xid, []string{"XA END " + xid, "XA ROLLBACK " + xid}
		},
	}
	if flavor == privateserver.FlavorMySQL {
		dialect.UUID = "char(36)"
	}
	start := func(id string) func(t *testing.T) *sourcetest.Server {
		return func(t *testing.T) *sourcetest.Server {
			options := []func(*privateserver.MySQLOptions){
				testenv.MySQLSetting("server-id", id), testenv.MySQLSetting("innodb-lock-wait-timeout", "5"),
			}
			for name, value := range settings {
				options = append(options, testenv.MySQLSetting(name, value))
			}
			server := testenv.MySQL(t, flavor, options...)
			s := conformanceServer(t, server)
			// Whoever rotates the log waits for a commit that hangs, and everybody else for that.
			if !strings.HasSuffix(t.Name(), "/LoadInvisible") {
				for _, f := range disturb {
					f(t, server)
				}
			}
			return s
		}
	}
	return sourcetest.Harness{
		Features: features, Dialect: dialect, PartRows: conformancePartRows, QuietPoints: *quietPoints, Start: start("1"), StartOther: start("2"),
	}
}

// conformance is a server under the suite.
type conformance struct {
	server *privateserver.MySQL
	db     *sql.DB
}

const (
	conformanceUser     = "tailstock"
	conformancePassword = "p@ss/w:rd"
	conformanceDatabase = "wms"
	conformanceServerID = 7201
)

func conformanceServer(t *testing.T, server *privateserver.MySQL) *sourcetest.Server {
	t.Helper()
	if err := server.CreateDatabase(t.Context(), conformanceDatabase); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", server.DSN(conformanceDatabase))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := &conformance{server: server, db: db}
	c.exec(t, "CREATE DATABASE elsewhere", "CREATE TABLE elsewhere.noise (id int)")
	return &sourcetest.Server{
		Schema: conformanceDatabase, DB: c.db, Publish: c.publish, Open: c.open, Stop: c.stop, Start: c.start,
		Elsewhere: func(t testing.TB) { c.exec(t, "INSERT INTO elsewhere.noise VALUES (1)") },
		Sessions: func(t testing.TB) int {
			t.Helper()
			var n int
			err := c.db.QueryRowContext(t.Context(), "SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = '"+conformanceUser+"'").Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n
		},
		Hang: c.hang,
		// MariaDB holds its log's lock for the second one.
		Hanging: map[privateserver.Flavor]int{privateserver.FlavorMariaDB: 1, privateserver.FlavorMySQL: 2}[server.Flavor()],
	}
}

func (c *conformance) exec(t testing.TB, statements ...string) {
	t.Helper()
	if err := c.server.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
}

// publish makes the account of sources, with the rights that the documentation
// names and no others.
func (c *conformance) publish(t testing.TB, tables ...string) {
	t.Helper()
	c.exec(t, leastAccount(c.server, conformanceUser, conformancePassword)...)
	for _, table := range tables {
		c.exec(t, fmt.Sprintf("GRANT SELECT ON %s.%s TO %s", conformanceDatabase, table, conformanceUser))
	}
}

// leastAccount returns the statements that make an account with the rights that a
// source needs beside SELECT on its tables.
func leastAccount(server *privateserver.MySQL, name, password string) []string {
	monitor := "REPLICATION CLIENT"
	if server.Flavor() == privateserver.FlavorMariaDB {
		monitor = "BINLOG MONITOR"
	}
	return []string{
		fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'", name, password),
		fmt.Sprintf("GRANT REPLICATION SLAVE, %s ON *.* TO %s", monitor, name),
	}
}

func (c *conformance) open(t testing.TB, wanted cdc.Wanted) sourcetest.Source {
	t.Helper()
	open := func(wanted cdc.Wanted) sourcetest.Source {
		s, err := mysql.New(mysql.Config{
			DSN: c.server.UserDSN(conformanceUser, conformancePassword, ""), ServerID: conformanceServerID,
			PartRows: conformancePartRows, HeartbeatInterval: 100 * time.Millisecond,
		}, wanted, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	return sabotaged(open(wanted), open, wanted)
}

func (c *conformance) stop(testing.TB) { c.server.Kill() }

func (c *conformance) start(t testing.TB) {
	t.Helper()
	if err := c.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The pool's connections broke with the server.
	testenv.Eventually(t, patience, func() bool { return c.db.PingContext(t.Context()) == nil }, nil)
}

// hang makes commits wait for a semi-synchronous replica that does not exist,
// after the log has them and before the storage engine does.
func (c *conformance) hang(t testing.TB) (release func()) {
	t.Helper()
	return hangCommits(t, c.server)
}

func hangCommits(t testing.TB, server *privateserver.MySQL) (release func()) {
	t.Helper()
	exec := func(ctx context.Context, statements ...string) {
		if err := server.Exec(ctx, statements...); err != nil {
			t.Error(err)
		}
	}
	prefix := "rpl_semi_sync_master"
	wait := "rpl_semi_sync_master_wait_no_slave"
	if server.Flavor() == privateserver.FlavorMySQL {
		_ = server.Exec(t.Context(), "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'") // perhaps it is there
		prefix, wait = "rpl_semi_sync_source", "rpl_semi_sync_source_wait_no_replica"
	}
	exec(t.Context(), "SET GLOBAL "+prefix+"_wait_point = AFTER_SYNC", "SET GLOBAL "+wait+" = ON",
		"SET GLOBAL "+prefix+"_timeout = 600000", "SET GLOBAL "+prefix+"_enabled = ON")
	var once sync.Once
	return func() {
		once.Do(func() { exec(context.WithoutCancel(t.Context()), "SET GLOBAL "+prefix+"_enabled = OFF") })
	}
}
