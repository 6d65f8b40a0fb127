package config

import (
	"slices"

	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// sums is a list of kinds.
func sums(into *[]inventory.Kind) shape {
	names := make([]string, inventory.Kinds)
	for k := range names {
		names[k] = inventory.Kind(k).String()
	}
	return &list{item: func() shape {
		v := choice(new(string), names...)
		set := v.set
		v.set = func(text, shown string) string {
			if wrong := set(text, shown); wrong != "" {
				return wrong
			}
			k, _ := inventory.ParseKind(text)
			if slices.Contains(*into, k) {
				return text + " is listed already"
			}
			*into = append(*into, k)
			return ""
		}
		return v
	}}
}

// claim is one of a source, with the path of its rule.
type claim struct {
	mapping.Claim
	source, path string
}

// owners checks that each kind of quantity of a location has one source, unless it is to
// be added up. Where rows decide on the location, it may be any that the source lists,
// and any at all if it lists none. Each pair of sources is reported once for a kind.
func (d *decoder) owners(c *Config) {
	var before []claim
	for i := range c.Sources {
		s := &c.Sources[i]
		own := claims(s)
		told := make(map[string]bool)
		for j := range own {
			mine := &own[j]
			if slices.Contains(c.Sum, mine.Kind) {
				continue
			}
			for k := range before {
				other := &before[k]
				if key := other.source + " " + mine.Kind.String(); mine.Overlaps(&other.Claim) && !told[key] {
					told[key] = true
					d.conflict(mine, other)
				}
			}
		}
		before = append(before, own...)
	}
}

// conflict reports that two sources may contribute the same kind to the same location.
func (d *decoder) conflict(mine, other *claim) {
	d.report(mine.Place, mine.path, "source %s may contribute %s to the same location, at %s: a quantity has one owner; "+
		"remove one of them, or list the locations of each source under its locations if they share none, "+
		"or write sum: [%s] at the top of the file if a level is the sum of both",
		other.source, mine.Kind, other.Place, mine.Kind)
}

func claims(s *Source) []claim {
	var out []claim
	for _, m := range s.Mappings {
		for _, c := range m.Claims() {
			out = append(out, claim{c, s.Name, join("sources."+s.Name+".tables."+m.Table().String(), c.Path)})
		}
	}
	return out
}
