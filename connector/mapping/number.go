package mapping

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"tailstock/connector/inventory"
)

// Numbers are inventory.Quantity all along: millionths in an int64, so up to
// 9.2e12, exact but for division and multiplication, which round half-even to
// six fractional digits. Columns hold larger numbers than that (a bigint that
// some application fills with random bits): such a value is kept as beyond, so
// that it can be compared with numbers, but nothing else can be done with it.
const beyond = inventory.Quantity(math.MaxInt64)

// maxWhole is the most digits before the decimal point of a number that is not beyond.
const maxWhole = 13

func isBeyond(q inventory.Quantity) bool { return q == beyond || q == -beyond }

// parseNumber reads a decimal number, rounding half-even to six fractional digits.
func parseNumber(s string) (inventory.Quantity, *failure) {
	q, err := inventory.ParseQuantity(s)
	switch {
	case err == nil:
		return q, nil
	case errors.Is(err, inventory.ErrQuantityRange):
		return parseLarge(s), nil
	default:
		return 0, failed(shown(s) + " is not a number")
	}
}

// parseLarge reads what ParseQuantity knows to be a number of 10^9 or more.
func parseLarge(s string) inventory.Quantity {
	s = strings.TrimPrefix(strings.Trim(s, " \t\r\n"), "+")
	s, negative := strings.CutPrefix(s, "-")
	q := largeMagnitude(s)
	if negative {
		return -q
	}
	return q
}

func largeMagnitude(s string) inventory.Quantity {
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		// Atoi gives the nearest int when the exponent is out of range; the bounds are ParseQuantity's.
		exponent, _ = strconv.Atoi(s[i+1:])
		mantissa, exponent = s[:i], min(max(exponent, -1<<20), 1<<20)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	// point is how many of digits stand before the decimal point: at least ten, for the number is large.
	point := len(digits) - len(fraction) + exponent
	if point > maxWhole || strings.Trim(digits, "0123456789") != "" { // "Infinity" among others
		return beyond
	}
	return roundLarge(digits, point+6)
}

// roundLarge returns the first n digits as an integer, rounded half-even. n is
// at most 19, so that they fit a uint64.
func roundLarge(digits string, n int) inventory.Quantity {
	var u uint64
	for i := range n {
		u *= 10
		if i < len(digits) {
			u += uint64(digits[i] - '0')
		}
	}
	rest := digits[min(n, len(digits)):]
	if rest != "" && (rest[0] > '5' || rest[0] == '5' && (u%2 == 1 || strings.Trim(rest[1:], "0") != "")) {
		u++
	}
	return inventory.Quantity(min(u, uint64(beyond)))
}

func errTooLarge() *failure { return failed("a number is out of range: it is 9.2e12 or larger") }

func add(a, b inventory.Quantity) (inventory.Quantity, *failure) {
	sum := a + b
	wrapped := b > 0 && sum < a || b < 0 && sum > a
	if isBeyond(a) || isBeyond(b) || wrapped || isBeyond(sum) || sum == math.MinInt64 {
		return 0, errTooLarge()
	}
	return sum, nil
}

func multiply(a, b inventory.Quantity) (inventory.Quantity, *failure) {
	if isBeyond(a) || isBeyond(b) {
		return 0, errTooLarge()
	}
	return scaled(magnitude(a), magnitude(b), uint64(inventory.One), (a < 0) != (b < 0))
}

func divide(a, b inventory.Quantity) (inventory.Quantity, *failure) {
	switch {
	case b == 0:
		return 0, failed("division by zero")
	case isBeyond(a) || isBeyond(b):
		return 0, errTooLarge()
	}
	return scaled(magnitude(a), uint64(inventory.One), magnitude(b), (a < 0) != (b < 0))
}

// multiplyDivide returns x*times/over, rounded once.
func multiplyDivide(x, times, over inventory.Quantity) (inventory.Quantity, *failure) {
	switch {
	case over == 0:
		return 0, failed("division by zero")
	case isBeyond(x) || isBeyond(times) || isBeyond(over):
		return 0, errTooLarge()
	}
	negative := (x < 0) != (times < 0) != (over < 0)
	return scaled(magnitude(x), magnitude(times), magnitude(over), negative)
}

// remainder has the sign of a, as in SQL.
func remainder(a, b inventory.Quantity) (inventory.Quantity, *failure) {
	switch {
	case b == 0:
		return 0, failed("division by zero")
	case isBeyond(a) || isBeyond(b):
		return 0, errTooLarge()
	}
	return a % b, nil
}

func magnitude(q inventory.Quantity) uint64 {
	if q < 0 {
		return uint64(-q)
	}
	return uint64(q)
}

// scaled returns x*y/z, rounded half-even.
func scaled(x, y, z uint64, negative bool) (inventory.Quantity, *failure) {
	high, low := bits.Mul64(x, y)
	if high >= z {
		return 0, errTooLarge()
	}
	quotient, rest := bits.Div64(high, low, z)
	// rest < z, so z-rest cannot wrap; twice rest could.
	if other := z - rest; rest > other || rest == other && quotient%2 == 1 {
		quotient++
	}
	if quotient >= uint64(beyond) {
		return 0, errTooLarge()
	}
	if negative {
		return -inventory.Quantity(quotient), nil
	}
	return inventory.Quantity(quotient), nil
}

// rounding says where roundTo goes with what lies between two steps.
type rounding uint8

const (
	halfEven rounding = iota
	down
	up
)

// roundTo rounds q to a multiple of unit, which is a power of ten.
func roundTo(q, unit inventory.Quantity, mode rounding) (inventory.Quantity, *failure) {
	if isBeyond(q) {
		return 0, errTooLarge()
	}
	rest := q % unit
	if rest < 0 {
		rest += unit
	}
	if rest == 0 {
		return q, nil
	}
	higher := mode == up
	if mode == halfEven {
		// The even one of the two multiples around q wins. steps is the number of
		// units in the lower one, which itself may lie outside the range.
		steps := q / unit
		if q < 0 {
			steps--
		}
		higher = rest > unit-rest || rest == unit-rest && steps%2 != 0
	}
	if higher {
		return add(q, unit-rest)
	}
	return add(q, -rest)
}

// compareNumbers orders a and b. It fails where both lie beyond what is kept.
func compareNumbers(a, b inventory.Quantity) (int, *failure) {
	if isBeyond(a) && a == b {
		return 0, failed("two numbers of 9.2e12 or more cannot be compared; compare them as text(...)")
	}
	switch {
	case a < b:
		return -1, nil
	case a > b:
		return 1, nil
	}
	return 0, nil
}
