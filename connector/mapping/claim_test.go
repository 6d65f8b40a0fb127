package mapping_test

import (
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// A source that lists its locations contributes to no other: what its configuration says
// of them must hold for every row.
func TestListedLocations(t *testing.T) {
	t.Parallel()
	v := func(names ...string) *mapping.Vocabulary {
		out := new(mapping.Vocabulary)
		for i, n := range names {
			out.Locations = append(out.Locations, at(i+1, 3, n))
		}
		return out
	}
	r := rule("1")
	r.Location = written("site")
	m, err := compileIn(t, v("DC2", "DC1"), r)
	if err != nil {
		t.Fatal(err)
	}
	for location, allowed := range map[string]bool{"DC1": true, "DC2": true, "DC3": false, "dc1": false} {
		table, row := tableOf([]cell{{"site", cdc.TypeText, cdc.Text(location)}})
		p, err := m.Bind(table, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, problem := p.Map(row, nil)
		switch {
		case allowed && (problem != nil || len(out) != 1):
			t.Errorf("%s: %v, %v; want it mapped", location, out, problem)
		case !allowed && (problem == nil || problem.Kind != inventory.Rejected || problem.Rule != "contributes[0].location" ||
			problem.Reason != `"`+location+`" is none of the locations that the source lists`):
			t.Errorf("%s: %v, %v; want it rejected", location, out, problem)
		}
	}
	id := func(v *mapping.Vocabulary, r mapping.Rule) inventory.MappingID {
		m, err := compileIn(t, v, r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := mapping.Parse(m.Canonical())
		if err != nil || again.ID() != m.ID() {
			t.Fatalf("%s: parsed %v, %v", m.Canonical(), again, err)
		}
		return m.ID()
	}
	if id(v("DC1", "DC2"), r) != id(v("DC2", "DC1"), r) || id(v("DC1"), r) == id(v("DC1", "DC2"), r) || id(v("DC1"), r) == id(v(), r) {
		t.Error("the list is not what counts")
	}
	constant := rule("1") // at L
	if id(v("L", "M"), constant) != id(v(), constant) {
		t.Error("the list counts for a mapping that it says nothing of")
	}
	if _, err := compileIn(t, v("M"), constant); err == nil || !strings.Contains(err.Error(), `contributes[0].location: "L" is none of the locations`) {
		t.Errorf("a constant outside the list: %v", err)
	}
}
