package mysql

import (
	"encoding/binary"
	"errors"
)

// wire takes little-endian values off the front of an event. After the first that
// is not there it is bad, and gives zeros.
type wire struct {
	b   []byte
	bad bool
}

var errShort = errors.New("event is shorter than it says")

func (w *wire) check() error {
	if w.bad {
		return errShort
	}
	return nil
}

// take returns the next n bytes.
func (w *wire) take(n int) []byte {
	if n < 0 || n > len(w.b) {
		w.bad, w.b = true, nil
		return nil
	}
	taken := w.b[:n:n]
	w.b = w.b[n:]
	return taken
}

// uint returns the next integer of n bytes, at most 8.
func (w *wire) uint(n int) (v uint64) {
	b := w.take(n)
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func (w *wire) uint8() uint8 {
	if len(w.b) == 0 {
		w.bad = true
		return 0
	}
	v := w.b[0]
	w.b = w.b[1:]
	return v
}

func (w *wire) uint16() uint16 {
	if b := w.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (w *wire) uint32() uint32 {
	if b := w.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (w *wire) uint64() uint64 {
	if b := w.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// packed returns the next length-encoded integer.
func (w *wire) packed() uint64 {
	switch first := w.uint8(); first {
	case 0xfc:
		return w.uint(2)
	case 0xfd:
		return w.uint(3)
	case 0xfe:
		return w.uint(8)
	case 0xfb, 0xff:
		w.bad = true
		return 0
	default:
		return uint64(first)
	}
}

// count returns a length-encoded integer that counts things of at least one
// bit each of what is left, or in eight times as many bytes.
func (w *wire) count() int {
	n := w.packed()
	if n > uint64(len(w.b))*8 {
		w.bad = true
		return 0
	}
	return int(n) //nolint:gosec // bounded above
}

// text returns a string behind its length-encoded length.
func (w *wire) text() string {
	n := w.packed()
	if n > uint64(len(w.b)) {
		w.bad, w.b = true, nil
		return ""
	}
	return string(w.take(int(n))) //nolint:gosec // bounded above
}
