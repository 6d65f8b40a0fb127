package testenv_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := pgx.Connect(t.Context(), testenv.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		// Fails the second time if both were one database.
		if _, err := conn.Exec(t.Context(), "create table only_once ()"); err != nil {
			t.Fatal(err)
		}
	}
}

// recorder is a testing.TB that keeps what a failing or skipped test said. It
// ends by a panic with itself, as the real one ends the goroutine.
type recorder struct {
	testing.TB
	failed, skipped string
}

func (r *recorder) Fatal(args ...any) { r.failed = fmt.Sprint(args...); panic(r) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	panic(r)
}

// record runs f on a recorder.
func record(t *testing.T, f func(*recorder)) (r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	defer func() {
		if got := recover(); got != nil && got != r {
			panic(got)
		}
	}()
	f(r)
	return r
}

func TestMissingServerSkipsUnlessRequired(t *testing.T) {
	ask := func(tb *recorder) { testenv.Postgres(tb, testenv.Major(3)) }
	t.Setenv("TAILSTOCK_TEST_REQUIRE", "redis")
	const reason = "PostgreSQL 3 is not installed; to install it: make postgres-versions"
	if r := record(t, ask); r.failed != "" || r.skipped != "skipped for want of a server: "+reason {
		t.Errorf("not required: failed %q, skipped %q", r.failed, r.skipped)
	}
	t.Setenv("TAILSTOCK_TEST_REQUIRE", "redis,postgres")
	if r := record(t, ask); r.skipped != "" || r.failed != "required by TAILSTOCK_TEST_REQUIRE: "+reason {
		t.Errorf("required: failed %q, skipped %q", r.failed, r.skipped)
	}
}

func TestMissingRedis(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("TAILSTOCK_TEST_REQUIRE", "redis")
	r := record(t, func(tb *recorder) { testenv.Redis(tb) })
	if !strings.Contains(r.failed, "Redis is not installed") {
		t.Errorf("failed %q, skipped %q", r.failed, r.skipped)
	}
}

func TestBrokenServerFailsTheTest(t *testing.T) {
	t.Parallel()
	testenv.Postgres(t) // skips without it
	r := record(t, func(tb *recorder) { testenv.Postgres(tb, testenv.Setting("wal_level", "quantum")) })
	if !strings.Contains(r.failed, "quantum") {
		t.Errorf("failed %q, skipped %q", r.failed, r.skipped)
	}
}

func TestDefaultMajor(t *testing.T) {
	t.Setenv("TAILSTOCK_TEST_POSTGRES", "3")
	r := record(t, func(tb *recorder) { testenv.Postgres(tb) })
	if !strings.Contains(r.skipped+r.failed, "PostgreSQL 3 is not installed") {
		t.Errorf("failed %q, skipped %q", r.failed, r.skipped)
	}
	t.Setenv("TAILSTOCK_TEST_POSTGRES", "newest")
	if r := record(t, func(tb *recorder) { testenv.Postgres(tb) }); !strings.Contains(r.failed, "TAILSTOCK_TEST_POSTGRES") {
		t.Errorf("not a number: failed %q, skipped %q", r.failed, r.skipped)
	}
}

func TestServersEndWithTheirTest(t *testing.T) {
	t.Parallel()
	var p *privateserver.Postgres
	var r *privateserver.Redis
	t.Run("of servers", func(t *testing.T) {
		p, r = testenv.Postgres(t), testenv.Redis(t)
		if p.PID() == 0 || r.PID() == 0 {
			t.Error("a server does not run")
		}
	})
	if p != nil && p.PID() != 0 || r != nil && r.PID() != 0 {
		t.Error("a server outlived its test")
	}
}

func TestAddressIsFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", testenv.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestEventually(t *testing.T) {
	t.Parallel()
	calls := 0
	testenv.Eventually(t, time.Minute, func() bool { calls++; return calls == 3 }, nil)
	if calls != 3 {
		t.Errorf("condition was asked %d times, want 3", calls)
	}
	r := record(t, func(tb *recorder) {
		testenv.Eventually(tb, time.Millisecond, func() bool { return false }, func() string { return "two of three" })
	})
	if r.failed != "condition did not hold within 1ms: two of three" {
		t.Errorf("got %q", r.failed)
	}
}

func TestBinaryRuns(t *testing.T) {
	t.Parallel()
	first := testenv.Binary(t)
	if second := testenv.Binary(t); second != first {
		t.Errorf("built twice: %s, %s", first, second)
	}
	if out, err := exec.CommandContext(t.Context(), first, "version").CombinedOutput(); err != nil {
		t.Errorf("tailstock version: %v: %s", err, out)
	}
	if tagged := testenv.Binary(t, "failpoint"); tagged == first || filepath.Dir(tagged) != filepath.Dir(first) {
		t.Errorf("with a tag: %s, without: %s", tagged, first)
	}
}
