package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pglogrepl"
)

// lsn is a place in the write-ahead log, in bytes from its beginning.
type lsn = pglogrepl.LSN

// appendLSN appends the text that PostgreSQL has for p, such as 0/30003C0.
func appendLSN(b []byte, p lsn) []byte {
	b = appendHex(b, uint32(p>>32))
	b = append(b, '/')
	return appendHex(b, uint32(p)) //nolint:gosec // the lower half
}

func appendHex(b []byte, v uint32) []byte {
	const digits = "0123456789ABCDEF"
	shift := 28
	for shift > 0 && v>>shift == 0 {
		shift -= 4
	}
	for ; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&15])
	}
	return b
}

// parseLSN reads what appendLSN writes, and nothing else.
func parseLSN(s string) (lsn, error) {
	p, err := pglogrepl.ParseLSN(s)
	if err != nil || string(appendLSN(nil, p)) != strings.ToUpper(s) {
		return 0, fmt.Errorf("%q is not an LSN", s)
	}
	return p, nil
}
