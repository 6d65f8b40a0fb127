package inventory_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector/inventory"
)

func TestLevelSubject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cell inventory.Cell
		want string
	}{
		{inventory.Cell{SKU: "BRK-1234", Location: "DC1"}, "inventory.level.DC1.BRK-1234"},
		{inventory.Cell{SKU: "a.b", Location: "x.y"}, "inventory.level.x%2Ey.a%2Eb"},
		{inventory.Cell{SKU: "*>% ", Location: "$/{}~!"}, "inventory.level.$/{}~!.%2A%3E%25%20"},
		{inventory.Cell{SKU: "Öl", Location: "世"}, "inventory.level.%E4%B8%96.%C3%96l"},
	} {
		if got := inventory.LevelSubject("inventory.level", tt.cell); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.cell, got, tt.want)
		}
		got, err := inventory.ParseLevelSubject("inventory.level", tt.want)
		if err != nil || got != tt.cell {
			t.Errorf("%s: got %v, %v; want %v", tt.want, got, err, tt.cell)
		}
	}
}

func TestParseLevelSubjectErrors(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"", "inventory.level", "inventory.level.", "inventory.level.a", "inventory.level..a", "inventory.level.a.",
		"inventory.levels.a.b", "inventory.level.a.b.c", "inventory.level.a.%2e", "inventory.level.a.%2", "inventory.level.a.%",
		"inventory.level.a.%41", "inventory.level.a.b c", "inventory.level.a.>", "inventory.level.a.é", "inventory.level.a.%00",
		"inventory.level.a.%FF", "inventory.level.a." + strings.Repeat("b", 201), "x.inventory.level.a.b",
	} {
		if c, err := inventory.ParseLevelSubject("inventory.level", subject); err == nil {
			t.Errorf("%q: got %v, want an error", subject, c)
		}
	}
}

// TestLevelSubjectLength holds the longest subject to the arithmetic of
// LevelSubject's doc, with room for the rest of a protocol line.
func TestLevelSubjectLength(t *testing.T) {
	t.Parallel()
	worst := strings.Repeat("世", inventory.MaxName/3) + ".."
	if inventory.ValidName(worst) != nil || len(worst) != inventory.MaxName {
		t.Fatalf("%d bytes are not the longest name", len(worst))
	}
	if got := len(inventory.LevelSubject("", inventory.Cell{SKU: inventory.SKU(worst), Location: inventory.LocationID(worst)})); got != 1202 {
		t.Errorf("got %d bytes, want 1202", got)
	}
}

func TestLevelSubjectRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := inventory.Cell{SKU: inventory.SKU(drawName(t, "sku")), Location: inventory.LocationID(drawName(t, "location"))}
		prefix := rapid.SampledFrom([]string{"inventory.level", "staging.inventory.level"}).Draw(t, "prefix")
		subject := inventory.LevelSubject(prefix, c)
		if strings.Count(subject, ".") != strings.Count(prefix, ".")+2 || strings.ContainsAny(subject, " *>") {
			t.Fatalf("%v: not two tokens: %s", c, subject)
		}
		got, err := inventory.ParseLevelSubject(prefix, subject)
		if err != nil || got != c {
			t.Fatalf("%s: got %v, %v; want %v", subject, got, err, c)
		}
	})
}

func FuzzParseLevelSubject(f *testing.F) {
	f.Add("p.a.b")
	f.Add("p.%C3%96l.%2A%3E%25%20")
	f.Add("p.%2e.%")
	f.Fuzz(func(t *testing.T, subject string) {
		c, err := inventory.ParseLevelSubject("p", subject)
		if err != nil {
			return
		}
		if got := inventory.LevelSubject("p", c); got != subject {
			t.Fatalf("%q is %v, whose subject is %q", subject, c, got)
		}
	})
}
