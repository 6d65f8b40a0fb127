package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// lazyConn is an ordinary connection that is opened at its first use, kept, and
// opened again at the next use after it broke. Safe for concurrent use; uses
// wait for each other.
type lazyConn struct {
	open func(context.Context) (*pgx.Conn, error)

	mu   sync.Mutex
	conn *pgx.Conn
}

// use calls f with the connection. f must leave it without an open transaction.
func (l *lazyConn) use(ctx context.Context, f func(*pgx.Conn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || l.conn.IsClosed() {
		conn, err := l.open(ctx)
		if err != nil {
			return err
		}
		l.conn = conn
	}
	return f(l.conn)
}

// closeTimeout bounds saying good-bye to the server.
const closeTimeout = 2 * time.Second

func (l *lazyConn) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	conn := l.conn
	l.conn = nil
	if conn == nil || conn.IsClosed() {
		return nil
	}
	return hangUp(conn)
}

// hangUp ends an idle connection without waiting for the server.
func hangUp(conn *pgx.Conn) error { return hangUpRaw(conn.PgConn()) }

func hangUpRaw(conn *pgconn.PgConn) error {
	_ = conn.Conn().SetDeadline(time.Now().Add(closeTimeout))
	conn.Frontend().Send(&pgproto3.Terminate{})
	_ = conn.Frontend().Flush()
	return conn.Conn().Close()
}
