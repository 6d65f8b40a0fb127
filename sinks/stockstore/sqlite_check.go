package stockstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

func (c *check) sqlite(ctx context.Context, cfg Config) {
	path, err := filepath.Abs(cfg.SQLite)
	if err != nil {
		c.problem("file of the stock store", err.Error(), "correct store.sqlite")
		return
	}
	if !c.writableDir(filepath.Dir(path)) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.ok("file of the stock store", path+" is not there; the first start makes it")
		return
	case err != nil:
		c.problem("file of the stock store", err.Error(), "")
		return
	case !info.Mode().IsRegular():
		c.problem("file of the stock store", path+" is not a file", "correct store.sqlite")
		return
	}
	version, found, err := readSQLiteSchema(ctx, path)
	if err != nil {
		c.problem("file of the stock store", fmt.Sprintf("%s: %v", path, err), "move the file away, or correct store.sqlite")
		return
	}
	c.ok("file of the stock store", path)
	if found {
		c.schema(version)
	}
}

// writableDir tries the directory: SQLite makes files beside its own. One that is not
// there is made in the nearest above it that is.
func (c *check) writableDir(dir string) bool {
	existing := dir
	for existing != filepath.Dir(existing) {
		if _, err := os.Stat(existing); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		existing = filepath.Dir(existing)
	}
	probe, err := os.CreateTemp(existing, ".tailstock-check-*")
	if err != nil {
		c.problem("directory of the stock store", err.Error(), "create the directory, writable for the user that runs tailstock")
		return false
	}
	err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		c.problem("directory of the stock store", err.Error(), "")
		return false
	}
	if existing != dir {
		c.ok("directory of the stock store", dir+" is not there; the first start makes it")
		return true
	}
	c.ok("directory of the stock store", dir+" is writable")
	return true
}

// readSQLiteSchema reads the schema version, without writing to the file.
func readSQLiteSchema(ctx context.Context, path string) (version int, found bool, err error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&_pragma=query_only(1)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return 0, false, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, `select exists (select 1 from sqlite_schema where type = 'table' and name = 'store_meta')`).Scan(&found)
	if err != nil || !found {
		return 0, found, err
	}
	err = db.QueryRowContext(ctx, `select schema from store_meta`).Scan(&version)
	return version, true, err
}
