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

// appendDecimal appends a decimal as the server prints it: without zeros in
// front, with all digits of its scale.
func appendDecimal(dst, v []byte, precision, scale int) ([]byte, error) {
	if len(v) == 0 {
		return dst, fmt.Errorf("decimal(%d,%d) without a byte", precision, scale)
	}
	var flip byte
	if v[0]&0x80 == 0 {
		flip = 0xff
		dst = append(dst, '-')
	}
	first := byte(0x80)
	group := func(n int) (uint32, error) {
		var x uint32
		for i := range groupBytes[n] {
			x = x<<8 | uint32(v[i]^flip^first)
			first = 0
		}
		v = v[groupBytes[n]:]
		if uint64(x) >= uint64(pow10(n)) {
			return 0, errDecimal
		}
		return x, nil
	}
	from := len(dst)
	for left := precision - scale; left > 0; {
		n := left % groupDigits
		if n == 0 {
			n = groupDigits
		}
		left -= n
		x, err := group(n)
		switch {
		case err != nil:
			return dst, err
		case len(dst) > from:
			dst = digits(dst, int(x), n)
		case x > 0:
			dst = strconv.AppendUint(dst, uint64(x), 10)
		}
	}
	if len(dst) == from {
		dst = append(dst, '0')
	}
	if scale == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	for left := scale; left > 0; {
		n := min(left, groupDigits)
		left -= n
		x, err := group(n)
		if err != nil {
			return dst, err
		}
		dst = digits(dst, int(x), n)
	}
	return dst, nil
}
