package mapping_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector/cdc"
)

// What the reference gives instead of a number.
const (
	tooLarge   = "!a number is out of range: it is 9.2e12 or larger"
	zeroDivide = "!division by zero"
)

// limit is the first number that is out of range, in either direction.
var limit, _ = new(big.Rat).SetString("9223372036854.775807")

// exact is a number, or the reason why there is none.
type exact struct {
	value  *big.Rat
	reason string
}

// rounded rounds half-even to a number of fractional digits and checks the range.
func rounded(r *big.Rat, digits int64) exact {
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(digits), nil))
	scaled := new(big.Rat).Mul(r, scale)
	whole, rest := new(big.Int).DivMod(scaled.Num(), scaled.Denom(), new(big.Int)) // rounds down
	switch twice := new(big.Int).Lsh(rest, 1).Cmp(scaled.Denom()); {
	case twice > 0, twice == 0 && whole.Bit(0) == 1:
		whole.Add(whole, big.NewInt(1))
	}
	out := new(big.Rat).Quo(new(big.Rat).SetInt(whole), scale)
	if new(big.Rat).Abs(out).Cmp(limit) >= 0 {
		return exact{reason: tooLarge}
	}
	return exact{value: out}
}

func (e exact) String() string {
	if e.value == nil {
		return e.reason
	}
	s := e.value.FloatString(6)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// truncated returns a less b*trunc(a/b): the remainder with the sign of a.
func truncated(a, b *big.Rat) *big.Rat {
	q := new(big.Rat).Quo(a, b)
	n := new(big.Int).Quo(q.Num(), q.Denom())
	return new(big.Rat).Sub(a, new(big.Rat).Mul(b, new(big.Rat).SetInt(n)))
}

func floor(a *big.Rat) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Div(a.Num(), a.Denom()))
}

// binary applies an operation of two numbers, the reference of the language's.
func binary(op string, a, b exact) exact {
	if a.value == nil {
		return a
	}
	if b.value == nil {
		return b
	}
	r := new(big.Rat)
	switch {
	case (op == "/" || op == "%") && b.value.Sign() == 0:
		return exact{reason: zeroDivide}
	case op == "+":
		r.Add(a.value, b.value)
	case op == "-":
		r.Sub(a.value, b.value)
	case op == "*":
		r.Mul(a.value, b.value)
	case op == "/":
		r.Quo(a.value, b.value)
	case op == "%":
		r = truncated(a.value, b.value)
	case (op == "min") == (a.value.Cmp(b.value) < 0):
		r = a.value
	default:
		r = b.value
	}
	return rounded(r, 6)
}

func unary(op string, digits int64, a exact) exact {
	if a.value == nil {
		return a
	}
	r := new(big.Rat)
	switch op {
	case "-":
		r.Neg(a.value)
	case "abs":
		r.Abs(a.value)
	case "floor":
		r = floor(a.value)
	case "ceil":
		r.Neg(floor(new(big.Rat).Neg(a.value)))
	default:
		return rounded(a.value, digits)
	}
	return rounded(r, 6)
}

// literals are numbers of all sizes, some at the ends of what is kept.
func literals() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"0", "1", "0.000001", "0.5", "2.5", "9223372036854.775806", "9223372036854", "4611686018427.387904", "1000000"}),
		rapid.StringMatching(`[0-9]{1,4}(\.[0-9]{1,6})?`),
		rapid.StringMatching(`[0-8][0-9]{0,12}(\.[0-9]{1,6})?`),
	)
}

// calculation draws an expression and what the reference makes of it.
func calculation(t *rapid.T, depth int) (string, exact) {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 || kind == 0 {
		text := literals().Draw(t, "literal")
		r, _ := new(big.Rat).SetString(text)
		return text, exact{value: r}
	}
	x, a := calculation(t, depth-1)
	if kind == 1 {
		op := rapid.SampledFrom([]string{"-", "abs", "floor", "ceil", "round"}).Draw(t, "function")
		if op == "round" {
			digits := rapid.Int64Range(0, 6).Draw(t, "digits")
			return fmt.Sprintf("round(%s, %d)", x, digits), unary(op, digits, a)
		}
		return fmt.Sprintf("%s(%s)", op, x), unary(op, 0, a)
	}
	y, b := calculation(t, depth-1)
	op := rapid.SampledFrom([]string{"+", "-", "*", "/", "%", "min", "max"}).Draw(t, "operator")
	if strings.HasPrefix(op, "m") {
		return fmt.Sprintf("%s(%s, %s)", op, x, y), binary(op, a, b)
	}
	return fmt.Sprintf("(%s %s %s)", x, op, y), binary(op, a, b)
}

// Arithmetic is that of exact fractions, rounded half-even after every operation.
func TestArithmeticIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		expression, want := calculation(rt, 4)
		if got := eval(t, nil, expression); got != want.String() {
			rt.Fatalf("%s: got %s, want %s", expression, got, want)
		}
	})
}

// Every way in which a column may spell a number gives that number, rounded once.
func TestNumbersAreReadExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{0,20}\.?[0-9]{1,20}([eE][+-]?[0-9]{1,2})?`).Draw(rt, "text")
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			rt.Skip(text)
		}
		want := rounded(r, 6)
		cells := []cell{{"x", cdc.TypeFloat, cdc.Text(text)}, {"s", cdc.TypeText, cdc.Text(text)}}
		for _, expression := range []string{"x", "number(s)"} {
			if got := eval(t, cells, expression); got != want.String() {
				rt.Fatalf("%s of %s: got %s, want %s", expression, text, got, want)
			}
		}
		if want.value == nil {
			order := map[bool]string{true: "true", false: "false"}
			if got := eval(t, cells, "x > 9223372036854.775806"); got != order[r.Sign() > 0] {
				rt.Fatalf("%s compared: got %s", text, got)
			}
			return
		}
		// A decimal column keeps as text whatever it holds, which begins with a digit and has no exponent.
		if strings.ContainsAny(text, "eE") || strings.TrimPrefix(text, "-")[0] == '.' {
			return
		}
		cells[0].typ = cdc.TypeDecimal
		whole, ok := new(big.Rat).SetString(eval(t, cells, "text(x)"))
		if !ok || whole.Cmp(r) != 0 {
			rt.Fatalf("text of %s: got %v", text, whole)
		}
	})
}

// Comparisons of numbers are those of exact fractions, also in lists.
func TestNumbersCompareExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := literals().Draw(rt, "a"), literals().Draw(rt, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		order := x.Cmp(y)
		cells := []cell{{"a", cdc.TypeDecimal, cdc.Text(a)}, {"b", cdc.TypeDecimal, cdc.Text(b)}}
		for op, want := range map[string]bool{
			"a < b": order < 0, "a <= b": order <= 0, "a > b": order > 0, "a >= b": order >= 0, "a == b": order == 0, "a != b": order != 0,
			"a in [" + b + "]": order == 0, "a in [-1, -2, -3, -4, -5, -6, -7, -8, " + b + "]": order == 0,
		} {
			if got := eval(t, cells, op); got != fmt.Sprint(want) {
				rt.Fatalf("%s of %s and %s: got %s, want %t", op, a, b, got, want)
			}
		}
	})
}
