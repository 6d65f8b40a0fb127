package stockstore

import (
	"errors"
	"time"
)

// Defaults of Config.
const (
	PoolSizeDefault       = 8
	ConnectTimeoutDefault = 10 * time.Second
	BusyTimeoutDefault    = 30 * time.Second
)

// Config says which database is the stock store. Exactly one of Postgres and
// SQLite is set. The zero value of a field that has a default means the default.
type Config struct {
	// Postgres is a connection string, as a URL or in the keyword=value form of
	// libpq. Tables are made in the first schema of its search_path. It may hold
	// a password and never appears in errors, logs or metrics.
	Postgres string
	// SQLite is the path of a database file, made if missing.
	SQLite string
	// PoolSize is the most connections to PostgreSQL, besides one that listens.
	// Every source in use takes one while it applies, the relay two. For SQLite
	// it is the most connections that read; one more writes. Defaults to 8.
	PoolSize int
	// ConnectTimeout bounds making a connection to PostgreSQL, unless the
	// connection string has a connect_timeout. Defaults to 10 s.
	ConnectTimeout time.Duration
	// BusyTimeout is how long SQLite waits for another process that writes to
	// the file. Defaults to 10 s.
	BusyTimeout time.Duration
	// Existing opens only a store that is there with this program's schema:
	// nothing is made or migrated. For commands beside the daemon.
	Existing bool
	// Now is the clock by which contributions begin and end to count. Defaults to time.Now.
	Now func() time.Time
	// Worker names this process in source_state, for people. May be empty.
	Worker string
}

// WithDefaults returns a copy of c in which fields without a value have their default.
func (c Config) WithDefaults() Config {
	if c.PoolSize == 0 {
		c.PoolSize = PoolSizeDefault
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = ConnectTimeoutDefault
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = BusyTimeoutDefault
	}
	return c
}

// Validate reports every problem of c, joined. It does not connect.
func (c Config) Validate() error {
	var errs []error
	switch {
	case c.Postgres == "" && c.SQLite == "":
		errs = append(errs, errors.New("one of postgres and sqlite is required"))
	case c.Postgres != "" && c.SQLite != "":
		errs = append(errs, errors.New("postgres and sqlite exclude each other"))
	case c.Postgres != "":
		if _, err := postgresConfig(c); err != nil {
			errs = append(errs, err)
		}
	}
	if c.PoolSize < 0 || c.PoolSize == 1 {
		errs = append(errs, errors.New("pool_size: at least 2"))
	}
	if c.ConnectTimeout < 0 || c.BusyTimeout < 0 {
		errs = append(errs, errors.New("timeouts: not negative"))
	}
	return errors.Join(errs...)
}
