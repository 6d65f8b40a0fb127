package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// chunkConn is a connection that chunks are read on.
type chunkConn struct {
	*pgx.Conn
	// pageBytes and segmentBytes are the sizes of a page and of a file of the server's log.
	pageBytes, segmentBytes uint64
	// latest is the last moment at which a chunk was read.
	latest moment
}

// reach returns a position at or behind the end of everything that m sees. An
// earlier moment with the same snapshot saw the same, so the end of the log then
// does: on an idle server the log grows by what reading writes, which nobody
// flushes and the stream does not reach. A connection does not survive a crash of
// the server, after which numbers of transactions may come again.
func (c *chunkConn) reach(m moment) lsn {
	if c.latest.text == m.text {
		return c.latest.end
	}
	c.latest = m
	return m.end
}

// readPool keeps connections for chunks, each for one use at a time. A Read
// that finds none idle opens one; how many there are is up to the callers.
type readPool struct {
	open func(context.Context) (*chunkConn, error)

	mu     sync.Mutex
	idle   []*chunkConn
	closed bool
}

// use calls f with a connection, once more with a new one if an idle one had
// broken. A connection that f leaves inside a transaction is closed.
func (p *readPool) use(ctx context.Context, f func(*chunkConn) error) error {
	for {
		conn := p.take()
		kept := conn != nil
		if !kept {
			var err error
			if conn, err = p.open(ctx); err != nil {
				return err
			}
		}
		err := f(conn)
		broken := conn.IsClosed()
		p.put(conn)
		if err == nil || !broken || !kept || ctx.Err() != nil {
			return err
		}
	}
}

func (p *readPool) take() *chunkConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	conn := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return conn
}

func (p *readPool) put(conn *chunkConn) {
	if conn.IsClosed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || conn.PgConn().TxStatus() != 'I' {
		_ = hangUp(conn.Conn)
		return
	}
	p.idle = append(p.idle, conn)
}

// close closes what is idle, and what is in use as soon as it is not.
func (p *readPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, conn := range p.idle {
		if !conn.IsClosed() {
			_ = hangUp(conn.Conn)
		}
	}
	p.idle = nil
}

// cancelGrace is how long the server has to end a statement after it was asked to.
const cancelGrace = time.Second

// connectChunks opens a connection for chunks: a reader's, on which a statement
// is cancelled on the server when its context ends, and which the server closes
// if this process stops in the middle of a transaction, whose lock would hold up DDL.
func (c Config) connectChunks(ctx context.Context) (*chunkConn, error) {
	conn, err := c.connectReader(ctx, func(config *pgx.ConnConfig) {
		config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
		}
	})
	if err != nil {
		return nil, err
	}
	chunks := &chunkConn{Conn: conn}
	const query = `SELECT set_config('idle_in_transaction_session_timeout', $1, false), set_config('jit', 'off', false),
		current_setting('wal_block_size')::int8, setting::int8 FROM pg_settings WHERE name = 'wal_segment_size'`
	timeout := fmt.Sprint(readTimeout.Milliseconds())
	if err := conn.QueryRow(ctx, query, timeout).Scan(nil, nil, &chunks.pageBytes, &chunks.segmentBytes); err != nil {
		closeReader(ctx, conn)
		return nil, fmt.Errorf("connect: set up the session: %w", err)
	}
	return chunks, nil
}
