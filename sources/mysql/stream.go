package mysql

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// stream is the replication connection while the server sends its log. The
// library reads and checks the packets, in a goroutine of its own, and calls
// HandleEvent with each; what it would do about a connection that broke (go on
// somewhere by itself) and about closing (touch the connection from two
// goroutines) it is kept from.
type stream struct {
	syncer *replication.BinlogSyncer
	conn   *replicationConn
	cfg    Config
	// plain says that the server has no TLS, and the dsn goes without it then.
	plain bool
	// session is the number of the server's session, once there is one.
	session uint32

	// event decodes an event without its checksum. idle is called before the
	// reader may block: what is decoded is handed over then. Both belong to the
	// library's goroutine.
	event func(raw []byte) error
	idle  func() error
	// checked says that events have checksums.
	checked bool
	// err is the first error of event or idle.
	err error
}

// run streams everything after from until ctx ends or something fails, and closes
// the connection.
func (s *stream) run(ctx context.Context, from token) error {
	s.conn = &replicationConn{stream: s, silence: s.cfg.SilenceTimeout}
	stop := context.AfterFunc(ctx, s.conn.interrupt)
	defer stop()
	defer s.conn.close()
	streamer, err := s.start(ctx, from)
	if err != nil {
		if s.err != nil {
			return s.err
		}
		return fmt.Errorf("start reading the binary log: %w", err)
	}
	return s.wait(streamer) //nolint:contextcheck // the connection ends it
}

// start connects, and asks for everything after from.
func (s *stream) start(ctx context.Context, from token) (*replication.BinlogStreamer, error) {
	d, err := s.cfg.driver()
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	if s.plain {
		d.TLS = nil
	}
	config := replication.BinlogSyncerConfig{
		ServerID: s.cfg.ServerID, Flavor: string(from.server.flavor), User: d.User, Password: d.Passwd,
		Host: d.Addr, TLSConfig: d.TLS, RawModeEnabled: true, HeartbeatPeriod: s.cfg.HeartbeatInterval,
		ReadTimeout: s.cfg.SilenceTimeout, DisableRetrySync: true, VerifyChecksum: true, DiscardGTIDSet: true,
		SynchronousEventHandler: s, Logger: slog.New(slog.DiscardHandler), EventCacheCount: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: d.Timeout}
			raw, err := dialer.DialContext(ctx, d.Net, d.Addr)
			if err != nil {
				return nil, err
			}
			return s.conn.below(raw), nil
		},
		Option: s.prepare,
	}
	s.syncer = replication.NewBinlogSyncer(config)
	if from.byGTID {
		set, err := from.readFrom()
		if err != nil {
			return nil, err
		}
		return s.syncer.StartSyncGTID(set)
	}
	at := from.place
	if from.again != "" {
		if at, err = parsePlace(from.again); err != nil {
			return nil, err
		}
	}
	if at.pos > 1<<32-1 {
		return nil, fmt.Errorf("start at %s: the protocol has 32 bits for an offset", at)
	}
	return s.syncer.StartSync(mysql.Position{Name: at.file, Pos: uint32(at.pos)})
}

// prepare sets up a session before it reads the log: the connection is taken over,
// so that what is decoded is handed over before a read waits; and the server may
// wait for long until a blocked downstream takes more. What the library tells the
// server of checksums (NONE) is true of the first rotation alone: events come as
// they are in the file (observed on MariaDB 10.11 and MySQL 9.7).
func (s *stream) prepare(c *client.Conn) error {
	s.session = c.GetConnectionID()
	statement := fmt.Sprintf("SET SESSION net_write_timeout = %d", int(blockedTimeout.Seconds()))
	if _, err := c.Execute(statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	c.Conn.Conn = s.conn.above(c.Conn.Conn)
	return nil
}

// blockedTimeout is how long the server waits for a blocked downstream.
const blockedTimeout = 24 * time.Hour

// HandleEvent takes an event from the library.
func (s *stream) HandleEvent(e *replication.BinlogEvent) error {
	if s.err != nil {
		return s.err
	}
	raw := e.RawData
	if f, ok := e.Event.(*replication.FormatDescriptionEvent); ok {
		s.checked = f.ChecksumAlgorithm == replication.BINLOG_CHECKSUM_ALG_CRC32
	}
	// The rotation that stands before the first format may have a checksum of which
	// the library knows nothing yet.
	if s.checked || e.Header.EventType == replication.ROTATE_EVENT && checksummed(raw) {
		raw = raw[:len(raw)-crc32.Size]
	}
	s.err = s.event(raw)
	return s.err
}

// checksummed reports whether an event ends with its checksum.
func checksummed(raw []byte) bool {
	n := len(raw) - crc32.Size
	return n > eventHeaderBytes && crc32.ChecksumIEEE(raw[:n]) == binary.LittleEndian.Uint32(raw[n:])
}

// wait waits until the stream has ended, and returns why.
func (s *stream) wait(streamer *replication.BinlogStreamer) error {
	_, err := streamer.GetEvent(context.Background()) //nolint:forbidigo // the connection ends it
	if s.err != nil {
		return s.err
	}
	return err
}

// replicationConn is the stream's connection, above and below TLS. Interrupting it
// from another goroutine is safe, unlike what the library does.
type replicationConn struct {
	stream  *stream
	silence time.Duration

	mu          sync.Mutex
	raw         net.Conn
	interrupted bool
}

// below wraps the socket.
func (c *replicationConn) below(raw net.Conn) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
	if c.interrupted {
		_ = raw.SetDeadline(time.Unix(1, 0))
	}
	return &socketConn{Conn: raw, owner: c}
}

// above wraps what the library talks through once the session is open.
func (c *replicationConn) above(conn net.Conn) net.Conn {
	return &sessionConn{Conn: conn, owner: c}
}

// interrupt makes every read and write fail from now on. It may be called from any goroutine.
func (c *replicationConn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	if c.raw != nil {
		_ = c.raw.SetDeadline(time.Unix(1, 0))
	}
}

// close closes the socket.
func (c *replicationConn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw != nil {
		_ = c.raw.Close()
	}
}

// deadline sets a deadline, unless the connection was interrupted.
func (c *replicationConn) deadline(set func(time.Time) error, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return nil
	}
	return set(t)
}

// socketConn is the socket, whose deadlines do not undo an interrupt.
type socketConn struct {
	net.Conn
	owner *replicationConn
}

func (c *socketConn) SetDeadline(t time.Time) error { return c.owner.deadline(c.Conn.SetDeadline, t) }

func (c *socketConn) SetReadDeadline(t time.Time) error {
	return c.owner.deadline(c.Conn.SetReadDeadline, t)
}

func (c *socketConn) SetWriteDeadline(t time.Time) error {
	return c.owner.deadline(c.Conn.SetWriteDeadline, t)
}

// sessionConn is the open session.
type sessionConn struct {
	net.Conn
	owner *replicationConn
	// reading says that the server sends its log.
	reading bool
}

// Read hands over what is decoded before it waits for more. The server's silence
// is counted from then: how long downstream took is not its fault.
func (c *sessionConn) Read(b []byte) (int, error) {
	s := c.owner.stream
	if c.reading {
		if s.err == nil {
			s.err = s.idle()
		}
		if s.err != nil {
			return 0, s.err
		}
		if err := c.Conn.SetReadDeadline(time.Now().Add(c.owner.silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

// Write notes when the log is asked for. The library writes a packet at once.
func (c *sessionConn) Write(b []byte) (int, error) {
	const header = 4
	if len(b) > header && (b[header] == mysql.COM_BINLOG_DUMP || b[header] == mysql.COM_BINLOG_DUMP_GTID) {
		c.reading = true
	}
	return c.Conn.Write(b)
}
