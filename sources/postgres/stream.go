package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// stream is the replication connection while the server sends changes. It
// reads the socket itself, in large pieces, and cuts them into messages in
// place: pgconn would take one message at a time. Used by one goroutine.
type stream struct {
	conn net.Conn
	// raw is the socket below TLS, if there is TLS.
	raw *bufferedConn
	// buf[start:end] is read and not cut yet.
	buf        []byte
	start, end int
	// received counts the bytes read, lastRead is when bytes last came, and
	// waited for how long the last fill waited for them.
	received uint64
	lastRead time.Time
	waited   time.Duration
	out      []byte
	// woken says that another goroutine wants the reader to look, and known that
	// the reader knows it and reads on for now.
	woken atomic.Bool
	known bool
}

// maxMessage bounds a message, in bytes: the server itself allocates no more than 1 GiB.
const maxMessage = 1<<30 + 1<<16

// message is one message from the server: its type and body. The body is valid
// until the next fill.
type message struct {
	kind byte
	body []byte
}

// newStream takes over conn, which must be idle. conn is unusable afterwards.
func newStream(ctx context.Context, conn *pgconn.PgConn) (*stream, error) {
	if err := conn.SyncConn(ctx); err != nil {
		return nil, fmt.Errorf("take over the replication connection: %w", err)
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the replication connection: %w", err)
	}
	s := &stream{conn: hijacked.Conn, buf: make([]byte, socketBuffer), lastRead: time.Now()}
	s.raw = socketBelow(hijacked.Conn)
	return s, nil
}

// socketBelow returns the bufferedConn that conn reads from.
func socketBelow(conn net.Conn) *bufferedConn {
	for {
		switch c := conn.(type) {
		case *bufferedConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// next cuts the next message off what has been read; ok is false if it is not complete.
func (s *stream) next() (m message, ok bool, err error) {
	const header = 5
	b := s.buf[s.start:s.end]
	if len(b) < header {
		return message{}, false, nil
	}
	length := int(binary.BigEndian.Uint32(b[1:header]))
	if length < 4 || length > maxMessage {
		return message{}, false, fmt.Errorf("message %q of %d bytes from the server", b[0], length)
	}
	if len(b) < 1+length {
		s.need(1 + length)
		return message{}, false, nil
	}
	s.start += 1 + length
	return message{b[0], b[header : 1+length]}, true, nil
}

// need makes sure that n bytes fit behind start.
func (s *stream) need(n int) {
	if len(s.buf)-s.start >= n {
		return
	}
	buf := s.buf
	if len(buf) < n {
		buf = make([]byte, n+socketBuffer)
	}
	s.end = copy(buf, s.buf[s.start:s.end])
	s.start, s.buf = 0, buf
}

// fill reads what is at hand, waiting for the first byte until the deadline.
// It returns errIdle if none came or the reader is to look, and the cause of ctx if that has ended;
// interrupt makes it look.
func (s *stream) fill(ctx context.Context, deadline time.Time) error {
	if s.start == s.end {
		s.start, s.end = 0, 0
		if len(s.buf) > 4*socketBuffer {
			s.buf = make([]byte, socketBuffer) // a huge row is gone
		}
	}
	s.need(s.end - s.start + socketBuffer/2)
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("read from the server: %w", err)
	}
	// After setting the deadline, which undoes an interrupt.
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.woken.Load() && !s.known:
		return errIdle
	}
	began := time.Now()
	for {
		n, err := s.conn.Read(s.buf[s.end:])
		s.end += n
		s.received += uint64(n) //nolint:gosec // never negative
		switch {
		case n > 0:
			s.lastRead = time.Now()
			s.waited = s.lastRead.Sub(began)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errIdle
		case errors.Is(err, io.EOF):
			return fmt.Errorf("read from the server: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return fmt.Errorf("read from the server: %w", err)
		}
		// Under TLS one read returns one record, while more may be at hand.
		if s.raw == nil || s.raw.Buffered() == 0 || len(s.buf)-s.end < socketBuffer/4 {
			return nil
		}
	}
}

// gather lets the socket fill for a while, and sees to it that the process is not
// woken by every packet meanwhile: sleeping alone leaves the socket with epoll,
// whose wake-ups cost the server, on the same machine, more than the decoding.
func (s *stream) gather(wait time.Duration) {
	if s.raw == nil {
		return
	}
	setLowWater(s.raw.Conn, socketBuffer)
	time.Sleep(wait) //nolint:forbidigo // the socket fills meanwhile: that is the point
	setLowWater(s.raw.Conn, 1)
}

// errIdle is returned by fill when the deadline passed without a byte.
var errIdle = errors.New("nothing came from the server")

// send writes one message within the timeout.
func (s *stream) send(m pgproto3.FrontendMessage, timeout time.Duration) error {
	out, err := m.Encode(s.out[:0])
	if err != nil {
		return fmt.Errorf("encode a message to the server: %w", err)
	}
	s.out = out
	if err := s.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("write to the server: %w", err)
	}
	if _, err := s.conn.Write(out); err != nil {
		return fmt.Errorf("write to the server: %w", err)
	}
	return nil
}

// interrupt makes a fill that is waiting return errIdle. It may be called from
// another goroutine.
func (s *stream) interrupt() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

// wake sets woken, and interrupts if it was not set: once for each time that the
// reader looks. It may be called from another goroutine, also after the stream
// was closed.
func (s *stream) wake() {
	if !s.woken.Swap(true) {
		s.interrupt()
	}
}

// close ends the session: it says good-bye, waits a moment for the server to
// let go of the slot, which it does before it closes its end, and closes.
func (s *stream) close(ctx context.Context, wait time.Duration) {
	defer s.conn.Close()
	if s.send(&pgproto3.Terminate{}, wait) != nil {
		return
	}
	deadline := time.Now().Add(wait)
	for {
		s.start, s.end = 0, 0
		if err := s.fill(ctx, deadline); err != nil {
			return
		}
	}
}
