package inventory_test

import (
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector/inventory"
)

func TestPositionText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]inventory.Position{
		"000000000000000-000000000000": {},
		"001764000000000-000000000042": {Run: 1764000000000, Number: 42},
		"999999999999999-999999999999": {Run: 999999999999999, Number: 999999999999},
	} {
		if got := want.String(); got != text {
			t.Errorf("got %s, want %s", got, text)
		}
		if got, err := inventory.ParsePosition(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "1-2", "000000000000000-00000000000", "000000000000000-0000000000000", "0000000000000000000000000000",
		"-00000000000000-000000000000", "+00000000000000-000000000000", "000000000000000-00000000000x", "00000000000000x-000000000000",
		"000000000000000_000000000000", "000000000000000-000000000000 ", "00000000000000\u0660-00000000000",
	} {
		if p, err := inventory.ParsePosition(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, p)
		}
	}
}

// TestPositionOrder holds text and positions to one order.
func TestPositionOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) inventory.Position {
			return inventory.Position{Run: rapid.Uint64Range(0, 999999999999999).Draw(t, "run"), Number: rapid.Uint64Range(0, 999999999999).Draw(t, "number")}
		})
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if rapid.Bool().Draw(t, "same run") {
			b.Run = a.Run
		}
		want := cmp.Compare(a.String(), b.String())
		if got := a.Compare(b); got != want || a.Before(b) != (want < 0) || b.Compare(a) != -want {
			t.Fatalf("%v.Compare(%v) = %d, texts %d", a, b, got, want)
		}
		if parsed, err := inventory.ParsePosition(a.String()); err != nil || parsed != a {
			t.Fatalf("%s: got %v, %v", a, parsed, err)
		}
		if a.IsZero() != (a == inventory.Position{}) {
			t.Fatalf("%v: IsZero %t", a, a.IsZero())
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	f.Add("001764000000000-000000000042")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := inventory.ParsePosition(s); err == nil && p.String() != s {
			t.Fatalf("%q is %v", s, p)
		}
	})
}
