package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"tailstock/internal/privateserver"
)

// Postgres starts a private PostgreSQL for one test, as a source has it unless
// options change that. It is stopped when the test ends.
func Postgres(tb testing.TB, options ...func(*privateserver.PostgresOptions)) *privateserver.Postgres {
	tb.Helper()
	o := privateserver.PostgresOptions{Dir: tb.TempDir(), Major: defaultMajor(tb)}
	for _, change := range options {
		change(&o)
	}
	p, err := privateserver.StartPostgres(tb.Context(), o)
	require(tb, "postgres", err)
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

// Setting overrides a server setting.
func Setting(name, value string) func(*privateserver.PostgresOptions) {
	return func(o *privateserver.PostgresOptions) {
		if o.Settings == nil {
			o.Settings = make(map[string]string)
		}
		o.Settings[name] = value
	}
}

// Major asks for a major version.
func Major(version int) func(*privateserver.PostgresOptions) {
	return func(o *privateserver.PostgresOptions) { o.Major = version }
}

// defaultMajor reads TAILSTOCK_TEST_POSTGRES, 0 if it is not set.
func defaultMajor(tb testing.TB) int {
	tb.Helper()
	text, ok := os.LookupEnv("TAILSTOCK_TEST_POSTGRES")
	if !ok {
		return 0
	}
	major, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatalf("TAILSTOCK_TEST_POSTGRES: %v", err)
	}
	return major
}

//nolint:gochecknoglobals // one server per test binary is the point
var shared struct {
	once   sync.Once
	server *privateserver.Postgres
	dir    string
	err    error
	count  atomic.Int64
}

// SharedPostgres returns the PostgreSQL that the tests of this binary share,
// started by the first call. Do not stop it. Replication slots belong to the
// whole server: name them after the database.
func SharedPostgres(tb testing.TB) *privateserver.Postgres {
	tb.Helper()
	major := defaultMajor(tb)
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "tailstock-shared-")
		if shared.err != nil {
			return
		}
		shared.server, shared.err = privateserver.StartPostgres(context.WithoutCancel(tb.Context()), privateserver.PostgresOptions{
			Dir: filepath.Join(shared.dir, "postgres"), Major: major,
			Settings: map[string]string{"max_replication_slots": "50", "max_wal_senders": "50", "max_connections": "300"},
		})
	})
	require(tb, "postgres", shared.err)
	return shared.server
}

// Database returns the URL of a fresh database on SharedPostgres.
func Database(tb testing.TB) string {
	tb.Helper()
	server := SharedPostgres(tb)
	name := fmt.Sprintf("t%d", shared.count.Add(1))
	if err := server.CreateDatabase(tb.Context(), name); err != nil {
		tb.Fatal(err)
	}
	return server.DSN(name)
}

// stopShared ends the shared server, if there is one.
func stopShared() error {
	if shared.server != nil {
		_ = shared.server.Close() // what matters is that it is gone with this process
	}
	return removeDir(shared.dir)
}

// removeDir removes a directory, or nothing for "".
func removeDir(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
