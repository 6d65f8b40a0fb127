package privateserver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func value(ctx context.Context, dsn, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var s string
	err = conn.QueryRow(ctx, sql).Scan(&s)
	return s, err
}

func TestPostgresComesBackWithItsData(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*privateserver.Postgres) error{
		"smart":     func(p *privateserver.Postgres) error { return p.Stop(t.Context(), privateserver.Smart) },
		"fast":      func(p *privateserver.Postgres) error { return p.Stop(t.Context(), privateserver.Fast) },
		"immediate": func(p *privateserver.Postgres) error { return p.Stop(t.Context(), privateserver.Immediate) },
		"kill":      func(p *privateserver.Postgres) error { p.Kill(); return nil },
		"kill paused": func(p *privateserver.Postgres) error {
			err := p.Pause()
			p.Kill()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testenv.Postgres(t)
			execute(t, p.SocketDSN("postgres"), "create table kept as select 'seven' as n")
			dsn := p.DSN("postgres")
			if err := end(p); err != nil {
				t.Fatal(err)
			}
			if pid := p.PID(); pid != 0 {
				t.Errorf("still runs as %d", pid)
			}
			if err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := p.DSN("postgres"); got != dsn {
				t.Errorf("came back as %s, was %s", got, dsn)
			}
			if n, err := value(t.Context(), dsn, "select n from kept"); err != nil || n != "seven" {
				t.Errorf("got %q, %v, want seven", n, err)
			}
		})
	}
}

func TestKillLeavesNoBackend(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), p.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	backend := filepath.Join("/proc", strconv.Itoa(int(conn.PgConn().PID())), "cmdline")
	if _, err := os.Stat(backend); err != nil {
		t.Fatalf("backend before the kill: %v", err)
	}
	// A paused backend would not notice by itself that its server is gone.
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	// A zombie, which only its new parent can remove, has no command line.
	if text, err := os.ReadFile(backend); err == nil && len(text) > 0 {
		t.Errorf("backend lives on: %s", text)
	}
}

func TestPausedPostgresDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if _, err := value(t.Context(), p.DSN("postgres"), "select ''"); err == nil {
		t.Error("a paused server answered")
	}
	if err := p.Continue(); err != nil {
		t.Fatal(err)
	}
	if _, err := value(t.Context(), p.DSN("postgres"), "select ''"); err != nil {
		t.Errorf("after Continue: %v", err)
	}
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), p.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx, privateserver.Smart); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("smart stop with a client connected: got %v, want context.DeadlineExceeded", err)
	}
	if pid := p.PID(); pid != 0 {
		t.Errorf("still runs as %d", pid)
	}
}

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t, testenv.Setting("max_replication_slots", "3"))
	for name, want := range map[string]string{
		"wal_level": "logical", "synchronous_commit": "on", "max_replication_slots": "3", "server_encoding": "UTF8",
	} {
		if got, err := value(t.Context(), p.DSN("postgres"), "show "+name); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestUserDSN(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	if err := p.CreateDatabase(t.Context(), "stock"); err != nil {
		t.Fatal(err)
	}
	execute(t, p.DSN("postgres"), `create role "a b" login`)
	got, err := value(t.Context(), p.UserDSN("a b", "p@ss/word", "stock"), "select current_user || ' on ' || current_database()")
	if err != nil || got != "a b on stock" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestStartFailsWithTheServersOwnWords(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("second start: got %v", err)
	}
	_, err := privateserver.StartPostgres(t.Context(), privateserver.PostgresOptions{
		Dir: t.TempDir(), Settings: map[string]string{"wal_level": "quantum"},
	})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "wal_level": "quantum"`) {
		t.Errorf("bad setting: got %v", err)
	}
}

func TestLockOfADeadServerIsDropped(t *testing.T) {
	t.Parallel()
	other := testenv.Redis(t)
	dir := t.TempDir()
	p := testenv.Postgres(t, func(o *privateserver.PostgresOptions) { o.Dir = dir })
	p.Kill()
	lock := filepath.Join(dir, "data", "postmaster.pid")
	text, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	// As if the system had given the dead server's process id to Redis.
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(lock, fmt.Appendf(nil, "%d\n%s", other.PID(), rest), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMissingServerSaysHowToInstall(t *testing.T) {
	t.Parallel()
	_, err := privateserver.StartPostgres(t.Context(), privateserver.PostgresOptions{Dir: t.TempDir(), Major: 3})
	var missing *privateserver.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want *MissingError", err)
	}
	const want = "PostgreSQL 3 is not installed; to install it: make postgres-versions"
	if missing.Error() != want {
		t.Errorf("got %q, want %q", missing, want)
	}
}
