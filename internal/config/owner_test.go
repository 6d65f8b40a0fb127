package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tailstock/connector/inventory"
	"tailstock/internal/config"
)

// twoSources is a file whose sources each have one rule, with lines of their own.
func twoSources(top, erp, erpRule, wms, wmsRule string) string {
	return fmt.Sprintf(`nats: {embedded: {dir: nats}}
%s
sources:
  erp:
    %s
    postgres: {dsn: host=erp}
    tables: {public.stock: {contributes: [{sku: part, %s}]}}
  wms:
    %s
    postgres: {dsn: host=wms}
    tables: {public.bin: {contributes: [{sku: part, %s}]}}
`, top, erp, erpRule, wms, wmsRule)
}

// Of a kind that is not added up, a location has one source; what may be one location
// counts as one.
func TestOwners(t *testing.T) {
	t.Parallel()
	const maps = `maps: {zone: {a: DC1, b: DC2}, number: {a: 1, b: 2}}`
	for _, tt := range []struct {
		name, text string
		conflicts  int
	}{
		{"any against any", twoSources("", "", "location: site, on_hand: q", "", "location: hall, on_hand: q"), 1},
		{"two kinds", twoSources("", "", "location: site, on_hand: q, incoming: q", "", "location: hall, on_hand: q, incoming: q"), 2},
		{"other kinds", twoSources("", "", "location: site, on_hand: q", "", "location: hall, committed: q"), 0},
		{"added up", twoSources("sum: [on_hand]", "", "location: site, on_hand: q", "", "location: hall, on_hand: q"), 0},
		{"another added up", twoSources("sum: [incoming]", "", "location: site, on_hand: q", "", "location: hall, on_hand: q"), 1},
		{"one constant", twoSources("", "", "location: site, on_hand: q", "", "location: \"'DC1'\", on_hand: q"), 1},
		{"other constants", twoSources("", "", "location: \"'DC1'\", on_hand: q", "", "location: \"'DC2'\", on_hand: q"), 0},
		{"the same constant", twoSources("", "", "location: \"'DC1'\", on_hand: q", "", "location: \"'DC1'\", on_hand: q"), 1},
		{"by condition", twoSources("", "", "location: \"x == 1 ? 'DC1' : 'DC2'\", on_hand: q", "", "location: \"null ?? 'DC2'\", on_hand: q"), 1},
		{"by other conditions", twoSources("", "", "location: \"x == 1 ? 'DC1' : 'DC2'\", on_hand: q", "", "location: \"null ?? 'DC3'\", on_hand: q"), 0},
		{"by map", twoSources("", maps, "location: \"zone[bin]\", on_hand: q", "", "location: \"'DC2'\", on_hand: q"), 1},
		{"by other map", twoSources("", maps, "location: \"zone[bin]\", on_hand: q", "", "location: \"'DC3'\", on_hand: q"), 0},
		{"by map of numbers", twoSources("", maps, "location: \"text(number[bin])\", on_hand: q", "", "location: \"'DC3'\", on_hand: q"), 1},
		{"by constant of the file", twoSources("", "constants: {here: DC1}", "location: const.here, on_hand: q", "", "location: \"'DC2'\", on_hand: q"), 0},
		{"joined", twoSources("", "", "location: \"'DC' + x\", on_hand: q", "", "location: \"'S1'\", on_hand: q"), 1},
		{"listed", twoSources("", "locations: [DC1, DC2]", "location: site, on_hand: q", "locations: [S1]", "location: hall, on_hand: q"), 0},
		{"listed by one", twoSources("", "locations: [DC1, DC2]", "location: site, on_hand: q", "", "location: hall, on_hand: q"), 1},
		{"listed by both", twoSources("", "locations: [DC1, DC2]", "location: site, on_hand: q", "locations: [DC2]", "location: hall, on_hand: q"), 1},
		{"listed beside a constant", twoSources("", "locations: [DC1, DC2]", "location: site, on_hand: q", "", "location: \"'S1'\", on_hand: q"), 0},
		{"default location", twoSources("", "location: \"'DC1'\"", "on_hand: q", "location: \"'DC2'\"", "on_hand: q"), 0},
		{"the same default location", twoSources("", "location: \"'DC1'\"", "on_hand: q", "location: \"'DC1'\"", "on_hand: q"), 1},
	} {
		c, err := config.Parse("tailstock.yaml", []byte(tt.text), nil)
		if tt.conflicts == 0 {
			if err != nil || len(c.Sources) != 2 {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if n := strings.Count(fmt.Sprint(err), "a quantity has one owner"); n != tt.conflicts || !strings.Contains(fmt.Sprint(err), "tailstock.yaml:11:") ||
			!strings.Contains(fmt.Sprint(err), "source erp may contribute on_hand to the same location, at 7:") {
			t.Errorf("%s: %v\nwant %d conflicts between lines 7 and 11", tt.name, err, tt.conflicts)
		}
	}
	c, err := config.Parse("tailstock.yaml", []byte(twoSources("sum: [incoming, on_hand]", "", "location: site, on_hand: q", "", "location: hall, on_hand: q")), nil)
	if err != nil || !slices.Equal(c.Sum, []inventory.Kind{inventory.Incoming, inventory.OnHand}) {
		t.Errorf("sum is %v, %v", c.Sum, err)
	}
}
