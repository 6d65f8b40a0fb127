package inventory_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"tailstock/connector/inventory"
)

func TestValidName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"a", nil},
		{" ", nil},
		{"BRK-1234 *.>%", nil},
		{"Öl 世😀", nil},
		{"~", nil},
		{strings.Repeat("x", 200), nil},
		{strings.Repeat("é", 100), nil},
		{"", inventory.ErrNameEmpty},
		{strings.Repeat("x", 201), inventory.ErrNameLong},
		{strings.Repeat("é", 101), inventory.ErrNameLong},
		{"a\xff", inventory.ErrNameUTF8},
		{"\xed\xa0\x80", inventory.ErrNameUTF8},
		{"\xc0\x80", inventory.ErrNameUTF8},
		{"\x00", inventory.ErrNameControl},
		{"a\tb", inventory.ErrNameControl},
		{"a\x7f", inventory.ErrNameControl},
		{"\u0085", inventory.ErrNameControl},
	} {
		if got := inventory.ValidName(tt.in); !errors.Is(got, tt.want) {
			t.Errorf("%.20q: got %v, want %v", tt.in, got, tt.want)
		}
	}
}

func FuzzValidName(f *testing.F) {
	f.Add("BRK-1234")
	f.Add("\u0085\x7f\xff")
	f.Fuzz(func(t *testing.T, s string) {
		want := s != "" && len(s) <= inventory.MaxName && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
		if err := inventory.ValidName(s); (err == nil) != want {
			t.Fatalf("%q: got %v, want valid %t", s, err, want)
		}
	})
}

func TestContributionValidate(t *testing.T) {
	t.Parallel()
	good := inventory.Contribution{Leg: "l", SKU: "s", Location: "d", Quantities: inventory.Quantities{inventory.MaxQuantity - 1, 1 - inventory.MaxQuantity}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		edit  func(c *inventory.Contribution)
		want  error
		field string
	}{
		{func(c *inventory.Contribution) { c.Leg = "" }, inventory.ErrNameEmpty, "leg: "},
		{func(c *inventory.Contribution) { c.SKU = "" }, inventory.ErrNameEmpty, "sku: "},
		{func(c *inventory.Contribution) { c.Location = "\x01" }, inventory.ErrNameControl, "location: "},
		{func(c *inventory.Contribution) { c.Quantities[inventory.Incoming] = inventory.MaxQuantity }, inventory.ErrQuantityRange, "incoming: "},
		{func(c *inventory.Contribution) { c.Quantities[inventory.OnHand] = -inventory.MaxQuantity }, inventory.ErrQuantityRange, "on_hand: "},
	} {
		c := good
		tt.edit(&c)
		if err := c.Validate(); !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), tt.field) {
			t.Errorf("got %v, want %s%v", err, tt.field, tt.want)
		}
	}
}
