package postgres

import "net"

// socketBuffer is how much one read takes from the socket at most, in bytes.
const socketBuffer = 256 << 10

// bufferedConn reads the socket in large pieces on behalf of a reader that asks
// for small ones, as TLS does record by record, and knows what it has left.
// Reading is not safe for concurrent use.
type bufferedConn struct {
	net.Conn
	buf        []byte
	start, end int
}

func newBufferedConn(conn net.Conn) *bufferedConn { return &bufferedConn{Conn: conn} }

// Read returns buffered bytes if there are any, and reads the socket otherwise:
// directly for a large p, through the buffer for a small one.
func (c *bufferedConn) Read(p []byte) (int, error) {
	if c.start == c.end {
		if len(p) >= socketBuffer/2 {
			return c.Conn.Read(p)
		}
		if c.buf == nil {
			c.buf = make([]byte, socketBuffer)
		}
		n, err := c.Conn.Read(c.buf)
		c.start, c.end = 0, n
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.start:c.end])
	c.start += n
	return n, nil
}

// Buffered returns the number of bytes that Read has taken from the socket and
// not handed out yet.
func (c *bufferedConn) Buffered() int { return c.end - c.start }
