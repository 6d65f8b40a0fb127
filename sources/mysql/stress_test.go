package mysql_test

import (
	"context"
	"database/sql"
	"flag"
	"sync"
	"testing"
	"time"

	"tailstock/internal/privateserver"
	"tailstock/sources/sourcetest"
)

// quietPoints is how often the stress stops to compare: a few seconds each.
var quietPoints = flag.Int("stress.points", 2, "how often TestStress compares tables that sessions with MINIMAL row images change")

// TestStress loads tables beside 8 writers on servers that are set up as others
// would not: rotating their logs all the time, committing in another order than
// that of the log, without GTIDs, with monitoring that reads the status all the time.
// Nothing is synced to disk on any of them.
func TestStress(t *testing.T) {
	t.Parallel()
	for name, s := range stresses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.RunLoads(t, conformanceHarness(s.flavor, s.settings, rotate, monitor))
		})
	}
}

type stress struct {
	flavor   privateserver.Flavor
	settings map[string]string
}

func stresses() map[string]stress {
	return map[string]stress{
		"MariaDB":     {privateserver.FlavorMariaDB, nil},
		"Unordered":   {privateserver.FlavorMySQL, map[string]string{"binlog-order-commits": "OFF"}},
		"WithoutGTID": {privateserver.FlavorMySQL, map[string]string{"gtid-mode": "OFF", "enforce-gtid-consistency": "OFF"}},
	}
}

// TestStressCatches has chunks wait for less than they must, in each of the ways
// that would seem to be enough, and expects the stress to find it.
func TestStressCatches(t *testing.T) {
	t.Parallel()
	for sabotage, test := range map[string]string{
		"low mark from gtid_binlog_pos":     "TestStress/MariaDB/LoadInvisible",
		"low mark from the end of the log":  "TestStress/Unordered/LoadInvisible",
		"no wait for locks":                 "TestStress/WithoutGTID/LoadInvisible",
		"gtid_executed read after the view": "TestStress/Unordered/Load",
	} {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			expectCaught(t, sabotage, test)
		})
	}
}

// rotate has the server begin a new file of its log all the time.
func rotate(t testing.TB, server *privateserver.MySQL) {
	t.Helper()
	repeat(t, server, 50*time.Millisecond, "FLUSH BINARY LOGS")
}

// monitor has sessions ask for the status variables that chunks on MariaDB rely on.
func monitor(t testing.TB, server *privateserver.MySQL) {
	t.Helper()
	for range 3 {
		repeat(t, server, 0, "SHOW GLOBAL STATUS LIKE 'binlog_snapshot_%'")
	}
}

// repeat executes a statement until the test ends, as long as the server is up.
func repeat(t testing.TB, server *privateserver.MySQL, pause time.Duration, statement string) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			_, _ = db.ExecContext(ctx, statement) // which drops what it yields
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
	t.Cleanup(func() {
		stop()
		group.Wait()
		_ = db.Close()
	})
}
