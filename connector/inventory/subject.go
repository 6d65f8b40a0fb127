package inventory

import (
	"fmt"
	"strings"
)

// LevelSubject returns the NATS subject of c's levels under prefix:
// prefix.<location>.<sku>, where every byte that a token cannot hold, or that
// no two clients treat alike, is percent-encoded: dot, star, greater-than,
// percent, space, control characters and everything outside ASCII. Two names of
// MaxName bytes make at most 1,202 bytes behind the prefix, well below the
// 4,096 bytes that a NATS server reads as one protocol line.
func LevelSubject(prefix string, c Cell) string {
	var scratch [256]byte
	b := append(scratch[:0], prefix...)
	b = append(b, '.')
	b = appendToken(b, string(c.Location))
	b = append(b, '.')
	return string(appendToken(b, string(c.SKU)))
}

const upperHex = "0123456789ABCDEF"

func appendToken(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; plainToken(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func plainToken(c byte) bool {
	return c > ' ' && c < 0x7f && c != '.' && c != '*' && c != '>' && c != '%'
}

// ParseLevelSubject returns the cell that LevelSubject made subject of. It
// fails for every subject that LevelSubject does not make of a valid cell.
func ParseLevelSubject(prefix, subject string) (Cell, error) {
	rest, ok := strings.CutPrefix(subject, prefix+".")
	location, sku, two := strings.Cut(rest, ".")
	if !ok || !two {
		return Cell{}, fmt.Errorf("level subject %q: want %s.<location>.<sku>", subject, prefix)
	}
	c := Cell{SKU: SKU(parseToken(sku)), Location: LocationID(parseToken(location))}
	if err := ValidName(string(c.Location)); err != nil {
		return Cell{}, fmt.Errorf("level subject %q: location: %w", subject, err)
	}
	if err := ValidName(string(c.SKU)); err != nil {
		return Cell{}, fmt.Errorf("level subject %q: sku: %w", subject, err)
	}
	if LevelSubject(prefix, c) != subject {
		return Cell{}, fmt.Errorf("level subject %q: not percent-encoded as levels are", subject)
	}
	return c, nil
}

// parseToken decodes what it can; the caller compares the encoded result.
func parseToken(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
			if high >= 0 && low >= 0 {
				b = append(b, byte(high<<4|low)) //nolint:gosec // two digits of four bits
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
