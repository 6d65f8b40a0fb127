package privateserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

func value(ctx context.Context, t *testing.T, dsn string) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	var n int
	return n, conn.QueryRow(ctx, "select n from kept").Scan(&n)
}

func TestPostgresLifeCycle(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	conn, err := pgx.Connect(t.Context(), p.SocketDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table kept as select 7 as n"); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	for name, end := range map[string]func() error{
		"immediate": func() error { return p.Stop(t.Context(), privateserver.Immediate) },
		"fast":      func() error { return p.Stop(t.Context(), privateserver.Fast) },
		"kill":      func() error { p.Kill(); return nil },
	} {
		if err := end(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if pid := p.PID(); pid != 0 {
			t.Errorf("%s: still runs as %d", name, pid)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatalf("start after %s: %v", name, err)
		}
		if n, err := value(t.Context(), t, p.DSN("postgres")); err != nil || n != 7 {
			t.Errorf("after %s: got %d, %v, want 7", name, n, err)
		}
	}
}

func TestPausedPostgresDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := testenv.Postgres(t)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if _, err := value(t.Context(), t, p.DSN("postgres")); err == nil {
		t.Error("a paused server answered")
	}
	if err := p.Continue(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), p.DSN("postgres"))
	if err != nil {
		t.Fatalf("after Continue: %v", err)
	}
	conn.Close(t.Context())
}

func TestRedisLifeCycle(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t, func(o *privateserver.RedisOptions) { o.AppendOnly = true })
	if _, err := r.Do(t.Context(), "SET", "k", "v"); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != "v" {
		t.Errorf("after a kill: got %q, %v, want \"v\"", got, err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != "" {
		t.Errorf("after a flush: got %q, %v, want nothing", got, err)
	}
}

func TestMissingServerSaysHowToInstall(t *testing.T) {
	t.Parallel()
	_, err := privateserver.StartPostgres(t.Context(), privateserver.PostgresOptions{Dir: t.TempDir(), Major: 3})
	const want = "PostgreSQL 3 is not installed; to install it: make postgres-versions"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
