package postgres

import (
	"bytes"
	"encoding/binary"
	"time"
)

// wire takes a message of the replication protocol apart, checking bounds. The
// first read beyond the end sticks: from then on every method returns zero
// values and bad is set, so that callers check once.
type wire struct {
	b   []byte
	bad bool
}

func (w *wire) take(n int) []byte {
	if n < 0 || n > len(w.b) {
		w.b, w.bad = nil, true
		return nil
	}
	taken := w.b[:n]
	w.b = w.b[n:]
	return taken
}

func (w *wire) uint8() byte {
	if len(w.b) < 1 {
		w.b, w.bad = nil, true
		return 0
	}
	v := w.b[0]
	w.b = w.b[1:]
	return v
}

func (w *wire) uint16() uint16 {
	if b := w.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (w *wire) uint32() uint32 {
	if b := w.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (w *wire) uint64() uint64 {
	if b := w.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (w *wire) int32() int32 { return int32(w.uint32()) } //nolint:gosec // two's complement on the wire

func (w *wire) lsn() lsn { return lsn(w.uint64()) }

// time reads microseconds since 2000-01-01 UTC.
func (w *wire) time() serverTime { return serverTime(w.uint64()) } //nolint:gosec // two's complement on the wire

// text reads a string that ends with a zero byte.
func (w *wire) text() string {
	i := bytes.IndexByte(w.b, 0)
	if i < 0 {
		w.b, w.bad = nil, true
		return ""
	}
	s := string(w.b[:i])
	w.b = w.b[i+1:]
	return s
}

// serverTime is a moment by the server's clock, in microseconds since
// 2000-01-01 UTC, the epoch of the protocol.
type serverTime int64

// postgresEpoch is 2000-01-01 UTC in Unix microseconds.
const postgresEpoch = 946_684_800_000_000

func (t serverTime) time() time.Time { return time.UnixMicro(int64(t) + postgresEpoch).UTC() }

// since returns the time from earlier to t.
func (t serverTime) since(earlier serverTime) time.Duration {
	return time.Duration(t-earlier) * time.Microsecond
}
