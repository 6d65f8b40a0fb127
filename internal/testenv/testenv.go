package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailstock/internal/privateserver"
)

// Postgres starts a private PostgreSQL for one test, as a source has it unless
// options change that. It is killed when the test ends.
func Postgres(tb testing.TB, options ...func(*privateserver.PostgresOptions)) *privateserver.Postgres {
	tb.Helper()
	o := privateserver.PostgresOptions{Dir: tb.TempDir()}
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

// Redis starts a private Redis for one test, empty and without persistence. It
// is killed when the test ends.
func Redis(tb testing.TB, options ...func(*privateserver.RedisOptions)) *privateserver.Redis {
	tb.Helper()
	o := privateserver.RedisOptions{Dir: tb.TempDir()}
	for _, change := range options {
		change(&o)
	}
	r, err := privateserver.StartRedis(tb.Context(), o)
	require(tb, "redis", err)
	tb.Cleanup(func() { _ = r.Close() })
	return r
}

// require fails or skips the test when its server could not be had.
func require(tb testing.TB, server string, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	var missing *privateserver.MissingError
	if !errors.As(err, &missing) {
		tb.Fatal(err)
	}
	if slices.Contains(strings.Split(os.Getenv("TAILSTOCK_TEST_REQUIRE"), ","), server) {
		tb.Fatalf("required by TAILSTOCK_TEST_REQUIRE: %v", err)
	}
	tb.Skipf("skipped for want of a server: %v", err)
}

//nolint:gochecknoglobals // one server per test binary is the point
var shared struct {
	once   sync.Once
	server *privateserver.Postgres
	err    error
	count  atomic.Int64
}

// Database returns the URL of a fresh database on a PostgreSQL that the tests of
// this binary share. The server dies with the test binary. Replication slots are
// shared by its databases: name them after the database, see DatabaseName.
func Database(tb testing.TB) string {
	tb.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "tailstock-shared-")
		if err != nil {
			shared.err = err
			return
		}
		shared.server, shared.err = privateserver.StartPostgres(context.WithoutCancel(tb.Context()), privateserver.PostgresOptions{
			Dir: dir, Settings: map[string]string{"max_replication_slots": "50", "max_wal_senders": "50", "max_connections": "300"},
		})
	})
	require(tb, "postgres", shared.err)
	name := fmt.Sprintf("t%d", shared.count.Add(1))
	if err := shared.server.CreateDatabase(tb.Context(), name); err != nil {
		tb.Fatal(err)
	}
	return shared.server.DSN(name)
}

// Main runs the tests of a package and removes what Database left on disk. Call
// it from TestMain: os.Exit(testenv.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		_ = shared.server.Close()
		_ = os.RemoveAll(filepath.Dir(shared.server.Log()))
	}
	return code
}

// Eventually waits until condition holds, polling, and fails the test when it
// does not within limit. explain, if not nil, says what was there instead.
func Eventually(tb testing.TB, limit time.Duration, condition func() bool, explain func() string) {
	tb.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			why := ""
			if explain != nil {
				why = ": " + explain()
			}
			tb.Fatalf("condition did not hold within %s%s", limit, why)
		}
	}
}

//nolint:gochecknoglobals // builds are shared by the tests of a binary
var builds struct {
	mu    sync.Mutex
	paths map[string]string
}

// Binary builds cmd/tailstock with the given build tags, once per test binary,
// and returns its path.
func Binary(tb testing.TB, tags ...string) string {
	tb.Helper()
	builds.mu.Lock()
	defer builds.mu.Unlock()
	key := strings.Join(tags, ",")
	if path, ok := builds.paths[key]; ok {
		return path
	}
	dir, err := os.MkdirTemp("", "tailstock-binary-")
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, "tailstock")
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-tags", key, "-o", path, "tailstock/cmd/tailstock")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build cmd/tailstock: %v\n%s", err, out)
	}
	if builds.paths == nil {
		builds.paths = make(map[string]string)
	}
	builds.paths[key] = path
	return path
}
