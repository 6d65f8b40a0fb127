package mapping

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
)

// Reference is a way from a row of a mapped table to a value in another table's
// row: what must be mapped again when that value changes.
type Reference struct {
	// Columns are those of the mapped table that refer to a row of the first hop.
	Columns []string
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
	// Exists says that nothing is read of the row but that there is one. It is the
	// last hop then.
	Exists bool
	// Columns are read of the row: one by the last hop for its value, and by the
	// others those by which the next row is found.
	Columns []string
	// Width is how many values the lookup's key has. What precedes the hop gives those
	// at the places By, in its order, and others are Fixed. What is neither comes from
	// elsewhere: rows that have the rest are taken for those that refer to the row.
	Width int
	By    []int
	Fixed []FixedPart
}

// FixedPart is a value of a lookup's key that an expression names itself.
type FixedPart struct {
	At    int
	Value cdc.Value
}

// Referrers returns the key by which rows refer to the one that has a key, false if
// none can.
func (h *Hop) Referrers(key string) (string, bool) {
	if h.Width == 1 {
		return key, true
	}
	values := lookup.SplitKey(key, h.Width)
	if values == nil {
		return "", false
	}
	for _, f := range h.Fixed {
		if values[f.At] != f.Value {
			return "", false
		}
	}
	by := make([]cdc.Value, len(h.By))
	for i, at := range h.By {
		if by[i] = values[at]; by[i].IsNull() {
			return "", false
		}
	}
	return lookup.JoinKey(by...), true
}

// String returns the way as people know it: "product_id -> product.part_no".
func (r *Reference) String() string {
	var b strings.Builder
	b.WriteString(inParentheses(r.Columns))
	for i := range r.Hops {
		h := &r.Hops[i]
		b.WriteString(" -> " + h.Lookup.Name)
		switch {
		case h.Exists:
			b.WriteString(" exists")
		case h.Climbs:
			b.WriteString(" and above." + inParentheses(h.Columns))
		default:
			b.WriteString("." + inParentheses(h.Columns))
		}
		for _, f := range h.Fixed {
			fmt.Fprintf(&b, " [%d: %s]", f.At+1, lookup.AppendValue(nil, f.Value))
		}
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
			columns := h.Columns
			if h.Climbs {
				columns = append(slices.Clone(columns), h.Lookup.Tree.columns()...)
			}
			for _, column := range columns {
				add(h.Lookup, column)
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
	base, last := n.way()
	if n.op == opExists {
		last.Columns = n.lookup.Key
		return []Reference{{Columns: base.Columns, Hops: append(base.Hops, last)}}
	}
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
		r := Reference{Columns: base.Columns, Hops: append(append([]Hop(nil), base.Hops...), last)}
		r.Hops[len(r.Hops)-1].Columns = []string{column}
		out = append(out, r)
	}
	return out
}

// way is the way to the row that n's reference names, and n's own hop, which says
// nothing yet of what is read. What refers to the row may come from several rows: the
// way goes over another lookup's, of which fewer refer to it, and over one of those.
func (n *node) way() (Reference, Hop) {
	hop := Hop{Lookup: n.lookup, Climbs: n.op == opNearest || n.op == opWithin, Exists: n.op == opExists, Width: len(n.args)}
	var over *node
	for i, part := range n.args {
		switch {
		case !part.isReference():
			hop.Fixed = append(hop.Fixed, FixedPart{i, part.literalKey()})
		case over == nil && part.lookup != nil:
			over = part
		}
	}
	var columns []string
	for i, part := range n.args {
		switch {
		case over == nil && part.op == opColumn:
			columns, hop.By = append(columns, part.text), append(hop.By, i)
		case over != nil && part.lookup != nil && part.row() == over.row():
			columns, hop.By = append(columns, part.column), append(hop.By, i)
		}
	}
	if over == nil {
		return Reference{Columns: columns}, hop
	}
	r, before := over.way()
	before.Columns = columns
	r.Hops = append(r.Hops, before)
	return r, hop
}

// row is the spelling of the row of a lookup that n reads a column of.
func (n *node) row() string {
	row := *n
	row.column = ""
	return string(row.canonical(nil))
}
