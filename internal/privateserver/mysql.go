package privateserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// MySQLOptions say what server to start.
type MySQLOptions struct {
	// Flavor chooses MariaDB or MySQL. Required.
	Flavor Flavor
	// Dir is a directory of the server's own, made if missing. It holds the data
	// directory, the socket and the log. Its path and "/mysql.sock" must fit into
	// 107 bytes, what a Unix socket's name may have.
	Dir string
	// Settings are server settings, with the value "" for a bare option, that
	// override the defaults, which suit a source under test: a binary log in row
	// format with full images and metadata, GTIDs, server id 1, nothing synced to
	// disk, listening on loopback.
	Settings map[string]string
}

// MySQL is a private MariaDB or MySQL server with an account "root" that needs no
// password. Its methods may be called from several goroutines, but Start, Stop,
// Kill and Close one at a time.
type MySQL struct {
	options MySQLOptions
	program mysqlProgram
	port    *Port
	process process
}

// StartMySQL makes a data directory in o.Dir, unless there is one, and starts a
// server on it. It blocks until the server answers, at most a minute. The server
// outlives ctx. It fails with *MissingError if the flavor is not installed.
func StartMySQL(ctx context.Context, o MySQLOptions) (*MySQL, error) {
	program, err := findMySQL(ctx, o.Flavor)
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Flavor, err)
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make directory of %s: %w", o.Flavor, err)
	}
	port, err := ReservePort()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Flavor, err)
	}
	m := &MySQL{options: o, program: program, port: port}
	m.process = process{name: o.Flavor.String(), log: filepath.Join(o.Dir, "mysql.log")}
	if err := m.open(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *MySQL) open(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(m.dataDir(), "mysql")); err != nil {
		if err := m.initialise(ctx); err != nil {
			return err
		}
	}
	return m.Start(ctx)
}

func (m *MySQL) dataDir() string { return filepath.Join(m.options.Dir, "data") }

// initialise fills the data directory from a template.
func (m *MySQL) initialise(ctx context.Context) error {
	err := copyTemplate(ctx, strings.ToLower(m.options.Flavor.String()), m.program.version, m.dataDir(), func(data string) error {
		if m.program.install != "" {
			return asServer(ctx, m.program.install, "--no-defaults", "--datadir="+data, "--innodb-log-file-size=16M",
				"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
		}
		// MySQL makes its root for the socket alone; names of hosts are not resolved.
		accounts := filepath.Join(filepath.Dir(data), "accounts.sql")
		const text = "create user root@127.0.0.1;\ngrant all on *.* to root@127.0.0.1 with grant option;\n"
		if err := os.WriteFile(accounts, []byte(text), 0o644); err != nil { //nolint:gosec // the server's user reads it
			return err
		}
		return asServer(ctx, m.program.path, append(slices.Clone(m.program.args), "--initialize-insecure",
			"--datadir="+data, "--innodb-redo-log-capacity=16M", "--init-file="+accounts)...)
	})
	if err != nil {
		return err
	}
	// Each copy is a server of its own, and makes itself a new identity.
	if err := os.Remove(filepath.Join(m.dataDir(), "auto.cnf")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("make %s a server of its own: %w", m.options.Flavor, err)
	}
	return nil
}

// Start starts the server again after a stop, on the same port and data. It
// blocks until the server answers, at most a minute.
func (m *MySQL) Start(ctx context.Context) error {
	settings := map[string]string{
		"bind-address": "127.0.0.1", "port": strconv.Itoa(m.Port()), "datadir": m.dataDir(), "socket": m.socket(),
		"pid-file": filepath.Join(m.options.Dir, "mysql.pid"), "skip-name-resolve": "", "server-id": "1",
		"tmpdir":  m.options.Dir, // a server that starts removes what looks like its own from a shared one
		"log-bin": "binlog", "binlog-format": "ROW", "binlog-row-image": "FULL", "binlog-row-metadata": "FULL",
		// What is committed is written, so that it survives a kill, but not synced.
		"innodb-flush-log-at-trx-commit": "2", "sync-binlog": "0",
		"innodb-buffer-pool-size": "32M", "max-connections": "100",
	}
	if m.options.Flavor == FlavorMariaDB {
		maps.Copy(settings, map[string]string{"gtid-strict-mode": "ON", "innodb-log-file-size": "16M"})
	} else {
		maps.Copy(settings, map[string]string{
			"gtid-mode": "ON", "enforce-gtid-consistency": "ON", "mysqlx": "OFF", "innodb-redo-log-capacity": "16M",
			"secure-file-priv": "NULL", // the packages name a directory that only an installation makes
		})
	}
	maps.Copy(settings, m.options.Settings)
	args := slices.Clone(m.program.args)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		option := "--" + name
		if value := settings[name]; value != "" {
			option += "=" + value
		}
		args = append(args, option)
	}
	return m.process.start(ctx, m.ready, m.program.path, args...)
}

func (m *MySQL) socket() string { return filepath.Join(m.options.Dir, "mysql.sock") }

// mysqlTimeout bounds one attempt to connect.
const mysqlTimeout = 2 * time.Second

func (m *MySQL) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mysqlTimeout)
	defer cancel()
	return m.Exec(ctx, "select 1")
}

// Exec runs statements, one after the other, each on the connection of its
// predecessor, as root and without a default database.
func (m *MySQL) Exec(ctx context.Context, statements ...string) error {
	db, err := sql.Open("mysql", m.DSN(""))
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// Flavor returns the server's flavor.
func (m *MySQL) Flavor() Flavor { return m.options.Flavor }

// Port returns the TCP port on 127.0.0.1.
func (m *MySQL) Port() int { return m.port.Number() }

// Address returns the TCP host and port.
func (m *MySQL) Address() string { return m.port.Address() }

// PID returns the server's process id, 0 if it does not run.
func (m *MySQL) PID() int { return m.process.pid() }

// DSN returns the data source name of a database, empty for none, as
// go-sql-driver has it, by TCP, for root.
func (m *MySQL) DSN(database string) string { return m.UserDSN("root", "", database) }

// UserDSN returns the data source name of a database for a user with a password, empty for none.
func (m *MySQL) UserDSN(name, password, database string) string {
	c := m.config(name, password, database)
	c.Net, c.Addr = "tcp", m.port.Address()
	return c.FormatDSN()
}

// SocketDSN returns the data source name of a database, for root, by Unix socket.
func (m *MySQL) SocketDSN(database string) string {
	c := m.config("root", "", database)
	c.Net, c.Addr = "unix", m.socket()
	return c.FormatDSN()
}

func (m *MySQL) config(name, password, database string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = name, password, database
	c.Logger = &mysql.NopLogger{} // connections that fail are what a test is about
	return c
}

// CreateDatabase creates a database.
func (m *MySQL) CreateDatabase(ctx context.Context, name string) error {
	if err := m.Exec(ctx, "create database `"+strings.ReplaceAll(name, "`", "``")+"`"); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	return nil
}

// Stop shuts the server down and waits. When ctx ends first, the server is
// killed and the cause returned.
func (m *MySQL) Stop(ctx context.Context) error {
	if err := m.process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return m.process.wait(ctx)
}

// Kill ends the server with SIGKILL and waits until it is gone.
func (m *MySQL) Kill() { m.process.kill() }

// Pause stops the server with SIGSTOP: connections stay open and nothing answers.
func (m *MySQL) Pause() error { return m.process.signal(syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (m *MySQL) Continue() error { return m.process.signal(syscall.SIGCONT) }

// Close kills the server, in any state, and gives its port back. It cannot be
// started again. Its directory is the caller's to remove.
func (m *MySQL) Close() error {
	m.process.kill()
	return m.port.Release()
}

// Log returns the path of the server's log.
func (m *MySQL) Log() string { return m.process.log }

// DataDir returns the directory with the data and the binary log.
func (m *MySQL) DataDir() string { return m.dataDir() }
