package stockstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteDB is the store in a SQLite file: one connection writes for all sources,
// others read beside it (WAL).
type sqliteDB struct {
	readers *sql.DB
	writers *sql.DB
	// turns has a place for every connection that reads, idle those that are open.
	turns chan struct{}
	idle  chan *sqliteConn

	// mu is held for the length of a writing transaction, and guards the fields below.
	mu     sync.Mutex
	writer *sqliteConn
	full   bool // whether the writer's commits wait for the disk
}

func openSQLite(ctx context.Context, cfg Config) (*sqliteDB, error) {
	path, err := filepath.Abs(cfg.SQLite)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	dsn := func(pragmas ...string) string {
		q := url.Values{"_pragma": append(pragmas, fmt.Sprintf("busy_timeout(%d)", cfg.BusyTimeout.Milliseconds()))}
		return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
	}
	d := &sqliteDB{turns: make(chan struct{}, cfg.PoolSize), idle: make(chan *sqliteConn, cfg.PoolSize)}
	// The cache is 32 MiB: the inner pages of large indexes, and no more.
	d.writers, err = sql.Open("sqlite", dsn("journal_mode(WAL)", "synchronous(FULL)", "cache_size(-32768)"))
	if err != nil {
		return nil, err
	}
	if d.readers, err = sql.Open("sqlite", dsn("query_only(1)", "cache_size(-8192)")); err != nil {
		return nil, errors.Join(err, d.writers.Close())
	}
	d.readers.SetMaxIdleConns(cfg.PoolSize)
	if err := d.connectWriter(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), d.writers.Close(), d.readers.Close())
	}
	return d, nil
}

// connectWriter opens the writing connection, in mu or before d is shared.
func (d *sqliteDB) connectWriter(ctx context.Context) error {
	conn, err := d.writers.Conn(ctx)
	if err != nil {
		return err
	}
	d.writer, d.full = newSQLiteConn(conn), true
	return nil
}

func (d *sqliteDB) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	close(d.idle)
	for c := range d.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(append(errs, d.writers.Close(), d.readers.Close())...)
}

// connectReader returns an idle connection or a new one.
func (d *sqliteDB) connectReader(ctx context.Context) (*sqliteConn, error) {
	select {
	case c := <-d.idle:
		return c, nil
	default:
	}
	conn, err := d.readers.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return newSQLiteConn(conn), nil
}

// read runs f in a transaction: all its statements see one state.
func (d *sqliteDB) read(ctx context.Context, f func(reader) error) error {
	select {
	case d.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.turns }()
	c, err := d.connectReader(ctx)
	if err != nil {
		return err
	}
	if _, err := c.exec(ctx, "begin"); err != nil {
		return errors.Join(err, c.close())
	}
	err = f(c)
	if _, end := c.exec(context.WithoutCancel(ctx), "rollback"); end != nil {
		return errors.Join(err, c.close())
	}
	d.idle <- c
	return err
}

func (d *sqliteDB) snapshot(ctx context.Context, f func(reader) error) error { return d.read(ctx, f) }

func (d *sqliteDB) write(ctx context.Context, how durability, f func(transaction) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writer == nil {
		if err := d.connectWriter(ctx); err != nil {
			return err
		}
	}
	if err := d.setDurability(ctx, how); err != nil {
		return err
	}
	if _, err := d.writer.exec(ctx, "begin immediate"); err != nil {
		return err
	}
	err := f(&sqliteTx{d.writer})
	if err == nil {
		// Not cut short: whether it has happened would be unknown.
		_, err = d.writer.exec(context.WithoutCancel(ctx), "commit")
	}
	if err != nil {
		if _, undone := d.writer.exec(context.WithoutCancel(ctx), "rollback"); undone != nil {
			// Either the error has ended the transaction already, or the
			// connection cannot be trusted: the next write takes a new one.
			_ = d.writer.close()
			d.writer = nil
		}
	}
	return err
}

// setDurability makes commits wait for the disk or not. With NORMAL the log is
// in order all the same: a later FULL commit takes the earlier ones with it.
func (d *sqliteDB) setDurability(ctx context.Context, how durability) error {
	if full := how == durable; full != d.full {
		mode := "pragma synchronous = normal"
		if full {
			mode = "pragma synchronous = full"
		}
		if _, err := d.writer.exec(ctx, mode); err != nil {
			return err
		}
		d.full = full
	}
	return nil
}

func (d *sqliteDB) isDataError(err error) bool {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return false
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return true
	}
	return false
}

// notify and listen do nothing: a relay in another process polls.
func (d *sqliteDB) notify(context.Context, string, string) error { return nil }

func (d *sqliteDB) listen(context.Context, string, func(string)) {}

func (d *sqliteDB) dialect() string { return "sqlite" }

func (d *sqliteDB) hasStore(ctx context.Context, r reader) (bool, error) {
	found := false
	err := r.query(ctx, func(scan scanFunc) error { return scan(&found) },
		`select exists (select 1 from sqlite_schema where type = 'table' and name = 'store_meta')`)
	return found, err
}

// migrateLocked needs no more than any transaction: writers exclude each other.
func (d *sqliteDB) migrateLocked(ctx context.Context, f func(transaction) error) error {
	return d.write(ctx, durable, f)
}

func (d *sqliteDB) script(ctx context.Context, tx transaction, text string) error {
	_, err := tx.(*sqliteTx).conn.ExecContext(ctx, text)
	return err
}
