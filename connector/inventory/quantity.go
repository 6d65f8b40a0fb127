package inventory

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Quantity is an exact signed number of units with six fractional digits, held
// as millionths. The zero Quantity is zero.
type Quantity int64

// One is a quantity of one unit.
const One Quantity = 1_000_000

// MaxQuantity bounds the magnitude of a single contribution: every quantity is
// below it. Sums of nine thousand contributions at the bound still fit an
// int64, in Go and in every store.
const MaxQuantity = 1_000_000_000 * One

// Errors of ParseQuantity.
var (
	// ErrQuantitySyntax is returned for text that is not a decimal number, NaN included.
	ErrQuantitySyntax = errors.New("not a number")
	// ErrQuantityRange is returned for numbers at or beyond one billion, infinities included.
	ErrQuantityRange = errors.New("out of range: a quantity must be between -10^9 and 10^9")
)

// fractionDigits is the number of fractional digits that a Quantity keeps.
const fractionDigits = 6

// ParseQuantity reads a decimal number such as "12", "-0.5", ".5" or "1.25e3"
// and rounds it half-even to six fractional digits. Surrounding ASCII spaces
// are ignored. It fails with ErrQuantitySyntax or ErrQuantityRange.
func ParseQuantity(s string) (Quantity, error) {
	s = strings.Trim(s, " \t\r\n")
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	switch s {
	case "Infinity", "inf", "Inf", "infinity":
		return 0, ErrQuantityRange
	}
	q, err := parseMagnitude(s, MaxQuantity)
	if err != nil {
		return 0, err
	}
	if negative {
		q = -q
	}
	return q, nil
}

// parseMagnitude reads an unsigned decimal number with an optional exponent,
// which must stay below limit.
func parseMagnitude(s string, limit Quantity) (Quantity, error) {
	if q, ok := plainMagnitude(s); ok && q < limit {
		return q, nil
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, ErrQuantitySyntax
		}
		// Atoi gives the nearest int when the exponent is out of range, and no
		// column holds a mantissa long enough to bring it back.
		mantissa, exponent = s[:i], min(max(n, -1<<20), 1<<20)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if !allDigits(whole) || !allDigits(fraction) || len(whole)+len(fraction) == 0 {
		return 0, ErrQuantitySyntax
	}
	// point is where the decimal point stands after the exponent and the scale
	// by millionths have been applied, counted from the first digit.
	point := len(whole) + exponent + fractionDigits
	return roundDigits(whole, fraction, point, limit)
}

// plainMagnitude reads the everyday form: one to twelve digits, and at most six
// behind a decimal point. It reports false for any other.
func plainMagnitude(s string) (Quantity, bool) {
	const maxWhole = 12
	var n Quantity
	i := 0
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		n = n*10 + Quantity(s[i]-'0')
		if i == maxWhole {
			return 0, false
		}
	}
	if i == 0 {
		return 0, false
	}
	places := fractionDigits
	if i < len(s) && s[i] == '.' {
		for i++; i < len(s) && s[i]-'0' <= 9 && places > 0; i++ {
			n = n*10 + Quantity(s[i]-'0')
			places--
		}
	}
	if i < len(s) {
		return 0, false
	}
	for ; places > 0; places-- {
		n *= 10
	}
	return n, true
}

// roundDigits returns the number whose digits are whole and fraction with the
// decimal point after point of them, rounded half-even to an integer below limit.
func roundDigits(whole, fraction string, point int, limit Quantity) (Quantity, error) {
	total := len(whole) + len(fraction)
	digit := func(i int) byte {
		if i < len(whole) {
			return whole[i] - '0'
		}
		return fraction[i-len(whole)] - '0'
	}
	var n Quantity
	for i := 0; i < point; i++ {
		d := byte(0)
		if i < total {
			d = digit(i)
		} else if n == 0 {
			break // zero however many places follow
		}
		if n > (limit-1-Quantity(d))/10 {
			return 0, ErrQuantityRange
		}
		n = n*10 + Quantity(d)
	}
	if point >= 0 && point < total &&
		roundsUp(n, digit(point), func() bool { return anyNonZero(digit, point+1, total) }) {
		n++
	}
	if n >= limit {
		return 0, ErrQuantityRange
	}
	return n, nil
}

// roundsUp decides half-even for the first dropped digit.
func roundsUp(n Quantity, first byte, rest func() bool) bool {
	if first != 5 {
		return first > 5
	}
	return rest() || n%2 == 1
}

func anyNonZero(digit func(int) byte, from, to int) bool {
	for i := from; i < to; i++ {
		if digit(i) != 0 {
			return true
		}
	}
	return false
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// QuantityFromFloat rounds f half-even to six fractional digits, working on its
// shortest decimal form, so that 0.1+0.2 becomes 0.3. NaN fails with
// ErrQuantitySyntax, infinities with ErrQuantityRange.
func QuantityFromFloat(f float64) (Quantity, error) {
	if math.IsNaN(f) {
		return 0, ErrQuantitySyntax
	}
	return ParseQuantity(strconv.FormatFloat(f, 'g', -1, 64))
}

// Valid reports whether q is within the bounds of a single contribution.
func (q Quantity) Valid() bool { return q > -MaxQuantity && q < MaxQuantity }

// String returns q as a plain decimal number without trailing zeros: "12", "-0.5".
func (q Quantity) String() string {
	var scratch [24]byte
	return string(q.Append(scratch[:0]))
}

// Append appends the decimal form of q to b. It is a valid JSON number.
func (q Quantity) Append(b []byte) []byte {
	u := uint64(q) //nolint:gosec // negated below, also the lowest
	if q < 0 {
		b = append(b, '-')
		u = -u
	}
	b = strconv.AppendUint(b, u/uint64(One), 10)
	rest := u % uint64(One)
	if rest == 0 {
		return b
	}
	b = append(b, '.')
	for scale := uint64(One) / 10; rest > 0; scale /= 10 {
		b = append(b, '0'+byte(rest/scale)) //nolint:gosec // one digit
		rest %= scale
	}
	return b
}
