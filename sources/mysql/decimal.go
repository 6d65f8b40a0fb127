package mysql

import (
	"errors"
	"fmt"
	"strconv"
)

// Decimals are stored as groups of nine digits in four bytes each, big-endian,
// from the point outwards; the digits that are left over take the bytes that they
// need. The highest bit is inverted, and all bits are for negative numbers.
const groupDigits = 9

// groupBytes is how many bytes up to nine digits take.
var groupBytes = [groupDigits + 1]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4} //nolint:gochecknoglobals // a constant of an array type

// decimalBytes is the length of a DECIMAL(precision, scale), -1 if there is none.
func decimalBytes(precision, scale int) int {
	whole := precision - scale
	if whole < 0 {
		return -1
	}
	return whole/groupDigits*4 + groupBytes[whole%groupDigits] + scale/groupDigits*4 + groupBytes[scale%groupDigits]
}

var errDecimal = errors.New("a group of digits that is too large")

// decimalGroups takes groups of digits off a decimal's bytes.
type decimalGroups struct {
	b []byte
	// flip is what all bytes, and first what the next one, are inverted by.
	flip, first byte
}

func (g *decimalGroups) next(n int) (int, error) {
	x := 0
	for i := range groupBytes[n] {
		x = x<<8 | int(g.b[i]^g.flip^g.first)
		g.first = 0
	}
	g.b = g.b[groupBytes[n]:]
	if x >= pow10(n) {
		return 0, errDecimal
	}
	return x, nil
}

// appendDecimal appends a decimal as the server prints it: without zeros in
// front, with all digits of its scale.
func appendDecimal(dst, v []byte, precision, scale int) ([]byte, error) {
	if len(v) == 0 {
		return dst, fmt.Errorf("decimal(%d,%d) without a byte", precision, scale)
	}
	g := &decimalGroups{b: v, first: 0x80}
	if v[0]&0x80 == 0 {
		g.flip = 0xff
		dst = append(dst, '-')
	}
	from := len(dst)
	for left := precision - scale; left > 0; {
		n := left % groupDigits
		if n == 0 {
			n = groupDigits
		}
		left -= n
		x, err := g.next(n)
		switch {
		case err != nil:
			return dst, err
		case len(dst) > from:
			dst = digits(dst, x, n)
		case x > 0:
			dst = strconv.AppendInt(dst, int64(x), 10)
		}
	}
	if len(dst) == from {
		dst = append(dst, '0')
	}
	if scale > 0 {
		dst = append(dst, '.')
	}
	for left := scale; left > 0; {
		n := min(left, groupDigits)
		left -= n
		x, err := g.next(n)
		if err != nil {
			return dst, err
		}
		dst = digits(dst, x, n)
	}
	return dst, nil
}
