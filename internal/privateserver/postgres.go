package privateserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
// no password. Its methods may be called from several goroutines, but Start, Stop,
// Kill and Close one at a time.
type Postgres struct {
	options PostgresOptions
	bin     string
	port    *Port
	process process
}

// StopMode is how a PostgreSQL server is shut down (pg_ctl's -m).
type StopMode syscall.Signal

// Smart waits for clients to leave, Fast disconnects them, and Immediate aborts
// without a checkpoint, so that the next start recovers as after a crash.
const (
	Smart     = StopMode(syscall.SIGTERM)
	Fast      = StopMode(syscall.SIGINT)
	Immediate = StopMode(syscall.SIGQUIT)
)

// closeTimeout bounds how long Close waits for a server to clean up behind itself.
const closeTimeout = 3 * time.Second

// StartPostgres makes a database cluster in o.Dir, unless there is one, and
// starts a server on it. It blocks until the server answers, at most a minute.
// The server outlives ctx. It fails with *MissingError if PostgreSQL is not installed.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	bin, err := postgresBin(o.Major)
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make directory of PostgreSQL: %w", err)
	}
	port, err := ReservePort()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p := &Postgres{options: o, bin: bin, port: port}
	p.process = process{name: "PostgreSQL", log: filepath.Join(o.Dir, "postgres.log")}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.Close()) //nolint:contextcheck // ctx may be what ended the start
	}
	return p, nil
}

func (p *Postgres) open(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(p.dataDir(), "PG_VERSION")); err != nil {
		if err := p.initialise(ctx); err != nil {
			return err
		}
	}
	return p.Start(ctx)
}

func (p *Postgres) dataDir() string { return filepath.Join(p.options.Dir, "data") }

// Start starts the server again after a stop, on the same port and data. It
// blocks until the server answers, at most a minute.
func (p *Postgres) Start(ctx context.Context) error {
	if err := p.dropStaleLock(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(p.Port()), "unix_socket_directories": p.options.Dir,
		"wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10",
		// synchronous_commit stays on: logical decoding sees flushed log only.
		"fsync": "off",
	}
	maps.Copy(settings, p.options.Settings)
	args := []string{"-D", p.dataDir()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return p.process.start(ctx, p.ready, filepath.Join(p.bin, "postgres"), args...)
}

// dropStaleLock removes the lock file of a server that was killed if its process
// id was given to another process since: PostgreSQL would take that for the old
// server and refuse to start, and ids come round within minutes of a crash test.
func (p *Postgres) dropStaleLock() error {
	path := filepath.Join(p.dataDir(), "postmaster.pid")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil //nolint:nilerr // without the file there is no lock
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || ended(pid) || serves(pid, p.dataDir()) {
		return nil //nolint:nilerr // PostgreSQL judges these right
	}
	return os.Remove(path)
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
func (p *Postgres) Port() int { return p.port.Number() }

// PID returns the server's process id, 0 if it does not run.
func (p *Postgres) PID() int { return p.process.pid() }

// DSN returns the URL of a database, by TCP, for the superuser.
func (p *Postgres) DSN(database string) string { return p.UserDSN("postgres", "", database) }

// UserDSN returns the URL of a database for a user with a password, empty for none.
func (p *Postgres) UserDSN(name, password, database string) string {
	u := url.URL{
		Scheme: "postgres", Host: p.port.Address(),
		Path: database, RawQuery: "sslmode=disable", User: url.User(name),
	}
	if password != "" {
		u.User = url.UserPassword(name, password)
	}
	return u.String()
}

// SocketDSN returns the URL of a database by Unix socket.
func (p *Postgres) SocketDSN(database string) string {
	q := url.Values{"host": {p.options.Dir}, "port": {strconv.Itoa(p.Port())}, "user": {"postgres"}}
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

// Stop shuts the server down and waits. When ctx ends first, the server is
// killed and the cause returned.
func (p *Postgres) Stop(ctx context.Context, mode StopMode) error {
	if err := p.process.signal(syscall.Signal(mode)); err != nil {
		return err
	}
	return p.process.wait(ctx)
}

// Kill ends the server and its backends with SIGKILL and waits until they are gone.
func (p *Postgres) Kill() { p.process.kill() }

// Pause stops the server and its backends with SIGSTOP: connections stay open and
// nothing answers.
func (p *Postgres) Pause() error { return p.process.signalTree(syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (p *Postgres) Continue() error { return p.process.signalTree(syscall.SIGCONT) }

// Close ends the server, in any state, and gives its port back. It cannot be
// started again. Its directory is the caller's to remove.
func (p *Postgres) Close() error {
	if p.PID() != 0 {
		// A server that is killed leaves its System V memory segment behind, of which
		// a machine has 4096; an immediate shutdown removes it.
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout) //nolint:forbidigo // Close has no caller's context
		defer cancel()
		_ = p.Continue()           // it may have ended
		_ = p.Stop(ctx, Immediate) // kills it if it does not end by itself
	}
	return p.port.Release()
}

// Log returns the path of the server's log.
func (p *Postgres) Log() string { return p.process.log }
