package postgres

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// canonicalSettings make the text of every value the same whatever the role,
// the database or the server says, on the replication connection and on
// ordinary ones alike: a role with another DateStyle gets other dates from
// pgoutput too (observed). They are sent in the startup packet, which outranks
// ALTER ROLE and ALTER DATABASE.
func canonicalSettings() map[string]string {
	return map[string]string{
		"client_encoding":    "UTF8",
		"datestyle":          "ISO",
		"intervalstyle":      "postgres",
		"bytea_output":       "hex",
		"timezone":           "UTC",
		"extra_float_digits": "3",
		"lc_monetary":        "C",
		"xmloption":          "content",
	}
}

// connect opens an ordinary connection with the canonical settings, on which
// writing is refused by the server. The caller closes it.
func (c Config) connect(ctx context.Context, options ...func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("parse dsn: %w", err)
	}
	c.prepare(&config.Config)
	config.RuntimeParams["default_transaction_read_only"] = "on"
	for _, option := range options {
		option(config)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// The setting exists from PostgreSQL 14 on; our connections may well be idle.
	const keepIdle = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'`
	if _, err := conn.Exec(ctx, keepIdle); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("connect: set idle_session_timeout: %w", err)
	}
	return conn, nil
}

// connectWALSender opens a replication connection to the database. Its socket
// is wrapped in a bufferedConn.
func (c Config) connectWALSender(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("parse dsn: %w", err)
	}
	c.prepare(config)
	config.RuntimeParams["replication"] = "database"
	config.RuntimeParams["wal_sender_timeout"] = strconv.FormatInt(c.WALSenderTimeout.Milliseconds(), 10) + "ms"
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newBufferedConn(conn), nil
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect for replication: %w", err)
	}
	return conn, nil
}

// prepare sets what both kinds of connection have in common.
func (c Config) prepare(config *pgconn.Config) {
	delete(config.RuntimeParams, "replication")
	maps.Copy(config.RuntimeParams, canonicalSettings())
	config.RuntimeParams["application_name"] = c.ApplicationName
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = c.ConnectTimeout
		dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: keepAlive}
		config.DialFunc = dialer.DialContext
	}
}

// keepAlive is the interval of TCP keepalive probes, which find a dead peer
// while a command without a deadline of its own runs, such as the creation of a slot.
const keepAlive = 15 * time.Second
