package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tailstock/internal/privateserver"
)

// MySQL starts a private MariaDB or MySQL for one test, as a source has it unless
// options change that. It is killed when the test ends. What
// TAILSTOCK_TEST_REQUIRE calls them is "mariadb" and "mysql".
func MySQL(tb testing.TB, flavor privateserver.Flavor, options ...func(*privateserver.MySQLOptions)) *privateserver.MySQL {
	tb.Helper()
	o := privateserver.MySQLOptions{Flavor: flavor, Dir: shortDir(tb)}
	for _, change := range options {
		change(&o)
	}
	m, err := privateserver.StartMySQL(tb.Context(), o)
	require(tb, strings.ToLower(flavor.String()), err)
	tb.Cleanup(func() { _ = m.Close() })
	return m
}

// MySQLSetting overrides a server setting.
func MySQLSetting(name, value string) func(*privateserver.MySQLOptions) {
	return func(o *privateserver.MySQLOptions) {
		if o.Settings == nil {
			o.Settings = make(map[string]string)
		}
		o.Settings[name] = value
	}
}

// shortDir returns a directory for one test whose name does not hold the test's,
// which would make the path of a socket too long.
func shortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "tailstock-mysql-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// sharedMySQL is what the tests of this binary share of one flavor.
type sharedMySQL struct {
	once   sync.Once
	server *privateserver.MySQL
	dir    string
	err    error
	count  atomic.Int64
}

//nolint:gochecknoglobals // one server of a flavor per test binary is the point
var sharedMySQLs = map[privateserver.Flavor]*sharedMySQL{
	privateserver.FlavorMariaDB: {}, privateserver.FlavorMySQL: {},
}

// SharedMySQL returns the MariaDB or MySQL that the tests of this binary share,
// started by the first call. Do not stop it, purge its binary log or change its
// global variables.
func SharedMySQL(tb testing.TB, flavor privateserver.Flavor) *privateserver.MySQL {
	tb.Helper()
	s := sharedMySQLs[flavor]
	s.once.Do(func() {
		s.dir, s.err = os.MkdirTemp("", "tailstock-shared-")
		if s.err != nil {
			return
		}
		s.server, s.err = privateserver.StartMySQL(context.WithoutCancel(tb.Context()), privateserver.MySQLOptions{
			Flavor: flavor, Dir: filepath.Join(s.dir, "mysql"), Settings: map[string]string{"max-connections": "300"},
		})
	})
	require(tb, strings.ToLower(flavor.String()), s.err)
	return s.server
}

// MySQLDatabase makes a fresh database on SharedMySQL and returns its name.
func MySQLDatabase(tb testing.TB, flavor privateserver.Flavor) (*privateserver.MySQL, string) {
	tb.Helper()
	server := SharedMySQL(tb, flavor)
	name := fmt.Sprintf("t%d", sharedMySQLs[flavor].count.Add(1))
	if err := server.CreateDatabase(tb.Context(), name); err != nil {
		tb.Fatal(err)
	}
	return server, name
}

// stopSharedMySQLs ends the shared servers, if there are any.
func stopSharedMySQLs() error {
	var first error
	for _, s := range sharedMySQLs {
		if s.server != nil {
			_ = s.server.Close() // what matters is that it is gone with this process
		}
		if err := removeDir(s.dir); err != nil && first == nil {
			first = err
		}
	}
	return first
}
