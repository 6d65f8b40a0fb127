package mapping

import (
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// Reference is a way from a row of a mapped table to a value in another table's
// row: what must be mapped again when that value changes.
type Reference struct {
	// Column is the column of the mapped table that refers to a row of the first hop.
	Column string
	// Hops has one lookup at least.
	Hops []Hop
}

// Hop is one lookup on the way of a Reference.
type Hop struct {
	// Lookup is where the row is found, by what refers to it.
	Lookup *Lookup
	// Climbs says that the row which is read may stand above the one that is
	// referred to.
	Climbs bool
	// Column is read of the row: by the last hop for its value, by the others to
	// find the next row.
	Column string
}

// String returns the way as people know it: "product_id -> product.part_no".
func (r *Reference) String() string {
	var b strings.Builder
	b.WriteString(r.Column)
	for _, h := range r.Hops {
		above := ""
		if h.Climbs {
			above = " and above"
		}
		fmt.Fprintf(&b, " -> %s%s.%s", h.Lookup.Name, above, h.Column)
	}
	return b.String()
}

// References returns every way to another table's values that the rules go, each
// once. It must not be modified.
func (m *Mapping) References() []Reference { return m.references }

// Lookups returns the lookups that the rules name. It must not be modified.
func (m *Mapping) Lookups() []Lookup { return m.used.Lookups }

// LookupColumns adds the columns that the rules read of lookups' rows, and those
// that say how the rows stand below each other, to columns by table.
func (m *Mapping) LookupColumns(columns map[cdc.TableName][]string) {
	add := func(l *Lookup, column string) {
		if !containsName(columns[l.Table], column) {
			columns[l.Table] = append(columns[l.Table], column)
		}
	}
	for i := range m.used.Lookups {
		if l := &m.used.Lookups[i]; columns[l.Table] == nil {
			columns[l.Table] = []string{}
		}
	}
	for i := range m.references {
		for _, h := range m.references[i].Hops {
			add(h.Lookup, h.Column)
			if h.Climbs {
				for _, column := range h.Lookup.Tree.columns() {
					add(h.Lookup, column)
				}
			}
		}
	}
}

// findReferences lists the ways of all rules.
func (m *Mapping) findReferences() []Reference {
	var out []Reference
	seen := make(map[string]bool)
	for i := range m.rules {
		for _, e := range m.rules[i].expressions() {
			e.root.walk(func(n *node) {
				if n.lookup == nil {
					return
				}
				for _, r := range n.references() {
					if s := r.String(); !seen[s] {
						seen[s] = true
						out = append(out, r)
					}
				}
			})
		}
	}
	return out
}

// references are the ways to what n reads: the column, and what a condition and
// the climbing look at.
func (n *node) references() []Reference {
	base := n.way()
	last := Hop{Lookup: n.lookup, Climbs: n.op != opLookup}
	var columns []string
	if n.column != "" {
		columns = append(columns, n.column)
	}
	if n.inner != nil {
		columns = n.inner.columns(columns, make(map[string]bool))
		// What moves in a nested set is found otherwise: its columns change far too often.
		if t := &n.lookup.Tree; t.Left == "" {
			columns = append(columns, t.columns()...)
		}
	}
	if len(columns) == 0 {
		columns = []string{n.lookup.Tree.Left} // within(x, true): that there is a row
	}
	out := make([]Reference, 0, len(columns))
	for _, column := range columns {
		r := Reference{Column: base.Column, Hops: append(append([]Hop(nil), base.Hops...), last)}
		r.Hops[len(r.Hops)-1].Column = column
		out = append(out, r)
	}
	return out
}

// way is the way to the row that n's reference names, without n's own hop.
func (n *node) way() Reference {
	key := n.args[0]
	if key.op == opColumn {
		return Reference{Column: key.text}
	}
	r := key.way()
	r.Hops = append(r.Hops, Hop{Lookup: key.lookup, Climbs: key.op != opLookup, Column: key.column})
	return r
}
