package stockstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sinks/sinktest"
	"tailstock/sinks/stockstore"
)

func TestSQLiteConforms(t *testing.T) {
	t.Parallel()
	sinktest.Store(t, newSQLite)
}

func TestPostgresConforms(t *testing.T) {
	t.Parallel()
	sinktest.Store(t, func(t testing.TB) sinktest.StoreDatabase {
		if _, ok := t.(*testing.T); ok && filepath.Base(t.Name()) == "CrashWhileApplying" {
			return newPrivatePostgres(t)
		}
		return &postgresDatabase{dsn: testenv.Database(t)}
	})
}

func openStore(t testing.TB, cfg stockstore.Config) *stockstore.Store {
	t.Helper()
	s, err := stockstore.Open(t.Context(), cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sqliteDatabase is a SQLite file. A crash leaves the file as it is on disk at
// that moment, with its write-ahead log, and the processes that had it open behind.
type sqliteDatabase struct {
	mu      sync.Mutex
	dir     string
	crashes int
	dbs     map[string]*sql.DB
	now     func() time.Time
}

func newSQLite(t testing.TB) sinktest.StoreDatabase {
	return &sqliteDatabase{dir: t.TempDir(), dbs: make(map[string]*sql.DB)}
}

func (d *sqliteDatabase) path() string {
	return filepath.Join(d.dir, fmt.Sprintf("stock %d%%.db", d.crashes))
}

func (d *sqliteDatabase) config() stockstore.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return stockstore.Config{SQLite: d.path(), Now: d.now}
}

func (d *sqliteDatabase) SetClock(now func() time.Time) { d.now = now }

func (d *sqliteDatabase) Open(t testing.TB) sinktest.StockStore { return openStore(t, d.config()) }

func (d *sqliteDatabase) DB(t testing.TB) *sql.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := d.path()
	if d.dbs[path] == nil {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		d.dbs[path] = db
	}
	return d.dbs[path]
}

// Crash copies the file before its log: what a checkpoint moves from the log to
// the file meanwhile is in both.
func (d *sqliteDatabase) Crash(t testing.TB) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	from := d.path()
	d.crashes++
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(from+suffix, d.path()+suffix); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	return false
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// postgresDatabase is a database of PostgreSQL; server is set where it is the test's alone.
type postgresDatabase struct {
	dsn    string
	server *privateserver.Postgres
	now    func() time.Time

	mu sync.Mutex
	db *sql.DB
}

func newPrivatePostgres(t testing.TB) *postgresDatabase {
	t.Helper()
	server := testenv.Postgres(t)
	if err := server.CreateDatabase(t.Context(), "stock"); err != nil {
		t.Fatal(err)
	}
	return &postgresDatabase{dsn: server.DSN("stock"), server: server}
}

func (d *postgresDatabase) Open(t testing.TB) sinktest.StockStore {
	return openStore(t, stockstore.Config{Postgres: d.dsn, PoolSize: 4, Now: d.now})
}

func (d *postgresDatabase) SetClock(now func() time.Time) { d.now = now }

func (d *postgresDatabase) DB(t testing.TB) *sql.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db == nil {
		db, err := sql.Open("pgx", d.dsn)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(2)
		t.Cleanup(func() { _ = db.Close() })
		d.db = db
	}
	return d.db
}

func (d *postgresDatabase) Crash(t testing.TB) bool {
	if err := d.server.Stop(t.Context(), privateserver.Immediate); err != nil {
		t.Error(err)
	}
	if err := d.server.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db != nil {
		_ = d.db.Close() // its connections are gone
		d.db = nil
	}
	return true
}
