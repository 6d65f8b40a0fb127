package mysql

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// place is a point in a server's binary log: a file and an offset in bytes. The
// headers of events have 32 bits of the offset, which a large transaction wraps.
type place struct {
	file string
	pos  uint64
}

// compare orders two places of one server. Files are compared by their number,
// which has six digits and more once those do not suffice.
func (p place) compare(q place) int {
	if p.file != q.file {
		if c := cmp.Compare(fileNumber(p.file), fileNumber(q.file)); c != 0 {
			return c
		}
		return strings.Compare(p.file, q.file)
	}
	return cmp.Compare(p.pos, q.pos)
}

// fileNumber returns the number behind the last dot of a file's name, 0 if there is none.
func fileNumber(file string) uint64 {
	n, err := strconv.ParseUint(file[strings.LastIndexByte(file, '.')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (p place) append(b []byte) []byte {
	b = append(b, p.file...)
	b = append(b, ':')
	return strconv.AppendUint(b, p.pos, 10)
}

// String returns "binlog.000003:1234".
func (p place) String() string { return string(p.append(nil)) }

// parsePlace is the inverse of String.
func parsePlace(s string) (place, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 1 {
		return place{}, fmt.Errorf("place %q is not file:offset", s)
	}
	pos, err := strconv.ParseUint(s[i+1:], 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("place %q is not file:offset: %w", s, err)
	}
	return place{s[:i], pos}, nil
}
