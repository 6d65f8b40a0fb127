package inventory_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector/inventory"
)

func TestParseQuantity(t *testing.T) {
	t.Parallel()
	const bound = inventory.MaxQuantity - 1
	for _, tt := range []struct {
		in   string
		want inventory.Quantity
		err  error
	}{
		{"0", 0, nil},
		{"-0", 0, nil},
		{"+0.0", 0, nil},
		{"0e999999999999999999999", 0, nil},
		{"12", 12_000_000, nil},
		{"-0.5", -500_000, nil},
		{".5", 500_000, nil},
		{"5.", 5_000_000, nil},
		{"007", 7_000_000, nil},
		{" \t12\r\n", 12_000_000, nil},
		{"+12", 12_000_000, nil},
		{"1.25e3", 1_250_000_000, nil},
		{"1E+2", 100_000_000, nil},
		{"1e-6", 1, nil},
		{"123456e-6", 123_456, nil},
		{"0.0000005", 0, nil},
		{"0.0000015", 2, nil},
		{"0.0000025", 2, nil},
		{"-0.0000015", -2, nil},
		{"0.00000050000000000000000000000000001", 1, nil},
		{"0.0000014999999999999999999999", 1, nil},
		{"5e-7", 0, nil},
		{"5.1e-7", 1, nil},
		{"15e-7", 2, nil},
		{"9e-8", 0, nil},
		{"1e-999999999999999999999", 0, nil},
		{"0.1234565", 123_456, nil},
		{"0.1234575", 123_458, nil},
		{"12.340000000000000000", 12_340_000, nil},
		{"999999999.999999", bound, nil},
		{"-999999999.999999", -bound, nil},
		{"999999999.9999994", bound, nil},
		{"0000000000000000000000012", 12_000_000, nil},
		{"00000000000000000000.0000000000000000000000e5", 0, nil},
		{"999999999.9999995", 0, inventory.ErrQuantityRange},
		{"999999999.9999996", 0, inventory.ErrQuantityRange},
		{"1000000000", 0, inventory.ErrQuantityRange},
		{"-1000000000", 0, inventory.ErrQuantityRange},
		{"1e9", 0, inventory.ErrQuantityRange},
		{"1e999999999999999999999", 0, inventory.ErrQuantityRange},
		{"18446744073709551616", 0, inventory.ErrQuantityRange},
		{"Infinity", 0, inventory.ErrQuantityRange},
		{"-Infinity", 0, inventory.ErrQuantityRange},
		{"-inf", 0, inventory.ErrQuantityRange},
		{"+Inf", 0, inventory.ErrQuantityRange},
		{strings.Repeat("9", 131072), 0, inventory.ErrQuantityRange},
	} {
		checkParse(t, tt.in, tt.want, tt.err)
	}
	for _, in := range []string{
		"", " ", "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+", "1e5.5", "1e--5", "1.2.3", "1,5", "1_000", "0x10", "NaN", "nan", "-NaN",
		"--1", "+-1", "- 1", "1 2", "12 kg", "\u0661", "1\x00", "Infinit", "1e1_0", "\u00a01",
	} {
		checkParse(t, in, 0, inventory.ErrQuantitySyntax)
	}
}

func checkParse(t *testing.T, in string, want inventory.Quantity, wantErr error) {
	t.Helper()
	got, err := inventory.ParseQuantity(in)
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("%.40q: got %d, %v; want %d, %v", in, got, err, want, wantErr)
	}
}

func TestQuantityText(t *testing.T) {
	t.Parallel()
	for q, want := range map[inventory.Quantity]string{
		0: "0", 1: "0.000001", -1: "-0.000001", 500_000: "0.5", -12_000_000: "-12", 1_200_300: "1.2003", 10_000_010: "10.00001",
		inventory.MaxQuantity - 1: "999999999.999999", math.MaxInt64: "9223372036854.775807", math.MinInt64: "-9223372036854.775808",
	} {
		if got := q.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(q), got, want)
		}
	}
}

func TestQuantityFromFloat(t *testing.T) {
	t.Parallel()
	tenth, fifth := 0.1, 0.2
	for _, tt := range []struct {
		in   float64
		want inventory.Quantity
		err  error
	}{
		{tenth + fifth, 300_000, nil},
		{1.005, 1_005_000, nil},
		{-2.5, -2_500_000, nil},
		{5e-7, 0, nil},
		{1.5e-6, 2, nil},
		{math.Copysign(0, -1), 0, nil},
		{math.SmallestNonzeroFloat64, 0, nil},
		{float64(float32(16777216)), 16_777_216_000_000, nil},
		{1e9, 0, inventory.ErrQuantityRange},
		{math.MaxFloat64, 0, inventory.ErrQuantityRange},
		{math.Inf(1), 0, inventory.ErrQuantityRange},
		{math.Inf(-1), 0, inventory.ErrQuantityRange},
		{math.NaN(), 0, inventory.ErrQuantitySyntax},
	} {
		if got, err := inventory.QuantityFromFloat(tt.in); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%v: got %d, %v; want %d, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestQuantityTextRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := inventory.Quantity(rapid.Int64().Draw(t, "quantity"))
		text := q.String()
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is no JSON number", text)
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok || exact.Cmp(big.NewRat(int64(q), int64(inventory.One))) != 0 {
			t.Fatalf("%d is written %s", int64(q), text)
		}
		if !q.Valid() {
			return
		}
		if got, err := inventory.ParseQuantity(text); err != nil || got != q {
			t.Fatalf("%s: got %d, %v; want %d", text, got, err, q)
		}
	})
}

// FuzzParseQuantity compares with math/big, for every text that both can read.
func FuzzParseQuantity(f *testing.F) {
	for _, s := range []string{"12", "-0.5", ".5", "1.25e3", "0.0000015", "999999999.9999995", "1e-7", "00.5e01", "5.", "1e9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := inventory.ParseQuantity(s)
		exact, ok := exactDecimal(s)
		switch {
		case !ok:
			return
		case exact == nil:
			if !errors.Is(err, inventory.ErrQuantitySyntax) && !errors.Is(err, inventory.ErrQuantityRange) {
				t.Fatalf("%q: got %d, %v; want an error", s, got, err)
			}
		default:
			want := roundHalfEven(exact.Mul(exact, big.NewRat(int64(inventory.One), 1)))
			if want.CmpAbs(big.NewInt(int64(inventory.MaxQuantity))) >= 0 {
				if !errors.Is(err, inventory.ErrQuantityRange) {
					t.Fatalf("%q: got %d, %v; want a range error", s, got, err)
				}
			} else if err != nil || int64(got) != want.Int64() {
				t.Fatalf("%q: got %d, %v; want %s", s, got, err, want)
			}
		}
	})
}

// exactDecimal reads s with math/big: nil for what is not a decimal number,
// false where math/big's own syntax is wider or its exponent too costly.
func exactDecimal(s string) (*big.Rat, bool) {
	s = strings.Trim(s, " \t\r\n")
	if strings.ContainsAny(s, "/_xXbBoOpPnNiI") || len(s) > 200 {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if n, err := strconv.Atoi(s[i+1:]); errors.Is(err, strconv.ErrRange) || n > 100 || n < -100 {
			return nil, false
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, true
	}
	return r, true
}

func TestQuantitiesArithmetic(t *testing.T) {
	t.Parallel()
	a, b := inventory.Quantities{10, 2, 3, 1, 9}, inventory.Quantities{1, 1, 1, 1, 1}
	if got := a.Available(); got != 4 {
		t.Errorf("available: got %d, want 4", got)
	}
	if got := (inventory.Quantities{0, 5}).Available(); got != -5 {
		t.Errorf("available: got %d, want -5, not clipped", got)
	}
	if got := a.Plus(b); got != (inventory.Quantities{11, 3, 4, 2, 10}) {
		t.Errorf("plus: got %v", got)
	}
	if got := a.Plus(b).Minus(b); got != a {
		t.Errorf("minus: got %v, want %v", got, a)
	}
	if a.IsZero() || !(inventory.Quantities{}).IsZero() {
		t.Error("IsZero")
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for k, name := range []string{"on_hand", "committed", "unavailable", "safety_stock", "incoming"} {
		if got := inventory.Kind(k).String(); got != name {
			t.Errorf("%d: got %s, want %s", k, got, name)
		}
		if got, ok := inventory.ParseKind(name); !ok || got != inventory.Kind(k) {
			t.Errorf("%s: got %d, %t", name, got, ok)
		}
	}
	for _, name := range []string{"", "available", "On_hand"} {
		if _, ok := inventory.ParseKind(name); ok {
			t.Errorf("%q: taken for a kind", name)
		}
	}
}

func BenchmarkParseQuantity(b *testing.B) {
	for _, s := range []string{"12", "-12.500", "12.340000000", "1.25e3"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := inventory.ParseQuantity(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
