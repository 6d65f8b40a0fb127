package mapping

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/inventory"
)

// Claim is a kind of quantity that a rule contributes, and where it does.
type Claim struct {
	Kind inventory.Kind
	// Locations are all that the rule can contribute to, in order; nil if that depends
	// on rows and no list bounds it.
	Locations []string
	// Place and Path are those of the rule's expression for the kind.
	Place Place
	Path  string
}

// Overlaps reports whether c and o may be the same kind at the same location.
func (c *Claim) Overlaps(o *Claim) bool {
	if c.Kind != o.Kind {
		return false
	}
	return c.Locations == nil || o.Locations == nil ||
		slices.ContainsFunc(c.Locations, func(l string) bool { _, found := slices.BinarySearch(o.Locations, l); return found })
}

// Claims returns what the rules claim, in their order.
func (m *Mapping) Claims() []Claim {
	var out []Claim
	for i := range m.rules {
		r := &m.rules[i]
		for k, e := range r.kinds {
			if e != nil {
				out = append(out, Claim{inventory.Kind(k), r.locations, e.value.Place, r.path + "." + e.field})
			}
		}
	}
	return out
}

// among finds the locations of a rule, and checks those that are known against the
// list of the vocabulary.
func (c *compiler) among(r *rule, v *Value) {
	if r.location == nil {
		return
	}
	var listed []string
	if c.vocabulary != nil {
		for i := range c.vocabulary.Locations {
			listed = append(listed, c.vocabulary.Locations[i].Text)
		}
	}
	slices.Sort(listed)
	known, ok := r.location.root.texts(nil)
	if !ok {
		r.locations = listed
		return
	}
	slices.Sort(known)
	r.locations = append([]string{}, slices.Compact(known)...)
	for _, l := range r.locations {
		if _, found := slices.BinarySearch(listed, l); listed != nil && !found {
			c.report(v.Place, fmt.Sprintf("%s.%s", r.path, fieldLocation), "%s is none of the locations that the source lists", shown(l))
		}
	}
}

// texts appends all texts that n can be to list, and reports whether they are known
// without a row. NULL is none.
func (n *node) texts(list []string) ([]string, bool) {
	parts := n.args
	switch n.op {
	case opText:
		return append(list, n.text), true
	case opNull:
		return list, true
	case opMap:
		if _, numbers := n.staticMap.numbers(); numbers {
			return list, false // a number is not spelled as it was written
		}
		for _, text := range n.staticMap.texts() {
			list = append(list, text)
		}
		return list, true
	case opIf:
		parts = n.args[1:]
	case opCoalesce:
	default:
		return list, false
	}
	for _, a := range parts {
		var known bool
		if list, known = a.texts(list); !known {
			return list, false
		}
	}
	return list, true
}

// useLocations notes the list of v, if a rule's location is one that rows decide on.
func (m *Mapping) useLocations(v *Vocabulary) {
	if len(v.Locations) == 0 || !slices.ContainsFunc(m.rules, func(r rule) bool { _, known := r.location.root.texts(nil); return !known }) {
		return
	}
	m.locations = make(map[string]bool, len(v.Locations))
	for _, l := range v.Locations {
		m.used.Locations = append(m.used.Locations, Value{Text: l.Text})
		m.locations[l.Text] = true
	}
	slices.SortFunc(m.used.Locations, func(a, b Value) int { return strings.Compare(a.Text, b.Text) })
}
