package privateserver

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions say what server to start.
type PostgresOptions struct {
	// Dir is a directory of the server's own, made if missing. It holds the data
	// directory, the socket and the log.
	Dir string
	// Major is the wanted major version, 0 for the newest that is installed.
	Major int
	// Settings are server settings that override the defaults, which suit a
	// source under test: wal_level=logical, fsync=off, listening on loopback.
	Settings map[string]string
}

// Postgres is a private PostgreSQL server with a superuser "postgres" that needs
// no password. Its methods are not safe for concurrent use.
type Postgres struct {
	options PostgresOptions
	bin     string
	port    int
	process process
}

// StopMode is how a PostgreSQL server is shut down (pg_ctl's -m).
type StopMode syscall.Signal

// The modes: wait for clients, disconnect clients, or abort as in a crash.
const (
	Smart     = StopMode(syscall.SIGTERM)
	Fast      = StopMode(syscall.SIGINT)
	Immediate = StopMode(syscall.SIGQUIT)
)

// StartPostgres makes a database cluster in o.Dir, unless there is one, and
// starts a server on it. It fails with *MissingError if PostgreSQL is not installed.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	bin, err := postgresBin(o.Major)
	if err != nil {
		return nil, err
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make directory of PostgreSQL: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("find a port for PostgreSQL: %w", err)
	}
	p := &Postgres{options: o, bin: bin, port: port}
	p.process = process{name: "PostgreSQL", log: filepath.Join(o.Dir, "postgres.log")}
	if _, err := os.Stat(filepath.Join(p.dataDir(), "PG_VERSION")); err != nil {
		if err := p.initialise(ctx); err != nil {
			return nil, err
		}
	}
	return p, p.Start(ctx)
}

func (p *Postgres) dataDir() string { return filepath.Join(p.options.Dir, "data") }

// initialise fills the data directory from a template that is made once per
// version and machine: copying is several times faster than initdb.
func (p *Postgres) initialise(ctx context.Context) error {
	template, err := p.template(ctx)
	if err != nil {
		return err
	}
	return p.asServer(ctx, "cp", "-a", template, p.dataDir())
}

func (p *Postgres) template(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, filepath.Join(p.bin, "postgres"), "--version").Output() //nolint:gosec // found by us
	if err != nil {
		return "", fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tailstock-postgres-%x-%d", fnv(string(version)), os.Getuid()))
	if _, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION")); err == nil {
		return filepath.Join(dir, "data"), nil
	}
	// Several processes may come here at once: each makes its own, one rename wins.
	building, err := os.MkdirTemp("", "tailstock-initdb-")
	if err != nil {
		return "", err
	}
	if err := makeDir(building); err != nil {
		return "", err
	}
	err = p.asServer(ctx, filepath.Join(p.bin, "initdb"), "-D", filepath.Join(building, "data"),
		"-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
	if err != nil {
		return "", err
	}
	if err := os.Rename(building, dir); err != nil {
		defer os.RemoveAll(building)
		if _, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION")); err != nil {
			return "", fmt.Errorf("keep PostgreSQL template: %w", err)
		}
	}
	return filepath.Join(dir, "data"), nil
}

func fnv(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// asServer runs a command as the server's user.
func (p *Postgres) asServer(ctx context.Context, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}

// Start starts the server again after a stop, on the same port and data.
func (p *Postgres) Start(ctx context.Context) error {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(p.port), "unix_socket_directories": p.options.Dir,
		"wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10",
		// synchronous_commit stays on: logical decoding sees flushed log only.
		"fsync": "off",
		// A long-gone server's file must not keep this one from starting.
		"restart_after_crash": "on",
	}
	for k, v := range p.options.Settings {
		settings[k] = v
	}
	names := make([]string, 0, len(settings))
	for k := range settings {
		names = append(names, k)
	}
	sort.Strings(names)
	args := []string{"-D", p.dataDir()}
	for _, k := range names {
		args = append(args, "-c", k+"="+settings[k])
	}
	return p.process.start(ctx, p.ready, filepath.Join(p.bin, "postgres"), args...)
}

func (p *Postgres) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.DSN("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// BinDir returns the directory of the server's programs, such as pg_recvlogical.
func (p *Postgres) BinDir() string { return p.bin }

// Port returns the TCP port on 127.0.0.1.
func (p *Postgres) Port() int { return p.port }

// PID returns the server's process id, 0 if it does not run.
func (p *Postgres) PID() int { return p.process.pid() }

// DSN returns the URL of a database, by TCP, for the superuser.
func (p *Postgres) DSN(database string) string { return p.UserDSN("postgres", "", database) }

// UserDSN returns the URL of a database for a user with a password, empty for none.
func (p *Postgres) UserDSN(name, password, database string) string {
	u := url.URL{
		Scheme: "postgres", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path: database, RawQuery: "sslmode=disable", User: url.User(name),
	}
	if password != "" {
		u.User = url.UserPassword(name, password)
	}
	return u.String()
}

// SocketDSN returns the URL of a database by Unix socket.
func (p *Postgres) SocketDSN(database string) string {
	q := url.Values{"host": {p.options.Dir}, "port": {strconv.Itoa(p.port)}, "user": {"postgres"}}
	u := url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// CreateDatabase creates a database.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, p.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	return nil
}

// Stop shuts the server down and waits. When ctx ends first, the server is killed.
func (p *Postgres) Stop(ctx context.Context, mode StopMode) error {
	if err := p.process.signal(syscall.Signal(mode)); err != nil {
		return err
	}
	return p.process.wait(ctx)
}

// Kill ends the server and its backends with SIGKILL.
func (p *Postgres) Kill() { p.process.kill() }

// Pause stops the server and its backends with SIGSTOP.
func (p *Postgres) Pause() error { return p.process.signalTree(syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (p *Postgres) Continue() error { return p.process.signalTree(syscall.SIGCONT) }

// Close kills the server. Its directory is the caller's to remove.
func (p *Postgres) Close() error {
	p.process.kill()
	return nil
}

// Log returns the path of the server's log.
func (p *Postgres) Log() string { return p.process.log }
