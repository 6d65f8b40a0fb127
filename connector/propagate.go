package connector

import (
	"cmp"
	"maps"
	"slices"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// What a commit names to be derived again is bounded: beyond that, all rows of a
// table are.
const (
	maxRederiveValues = 5_000
	maxRederiveBytes  = 64 << 10
)

// consequences lists the rows to which what changed in the tables matters: those
// that look up a column which changed. Their own rows may have changed as well,
// and are named all the same.
func (l *lookups) consequences() []inventory.Rederive {
	var out rederiveSet
	for i := range l.uses {
		u := &l.uses[i]
		for at := range u.ref.Hops {
			if l.tables[u.ref.Hops[at].Lookup.Table].emptied {
				out.all(u.table)
				continue
			}
			if keys := l.affected(u, at); len(keys) > 0 {
				out.add(u.table, u.ref.Column, slices.Sorted(maps.Keys(keys)))
			}
		}
	}
	for _, t := range l.tables {
		for key, bits := range t.changed {
			if bits&arrived != 0 {
				delete(l.missed, missedRow{t.name, key})
			}
		}
	}
	return out.list()
}

// affected are the values by which mapped rows refer to what changed at one hop of
// a use.
func (l *lookups) affected(u *use, at int) map[string]bool {
	hop := u.ref.Hops[at]
	t := l.tables[hop.Lookup.Table]
	bit := columnBit(t.Rows.Column(hop.Column))
	keys := make(map[string]bool)
	for key, bits := range t.changed {
		if bits&bit != 0 && l.awaited(t.name, key, bits) {
			keys[key] = true
		}
	}
	tree := l.nestedOf(hop)
	for _, before := range t.nested {
		if before.tree == tree {
			for key := range tree.Moved(before.parents) {
				if l.awaited(t.name, key, t.changed[key]) {
					keys[key] = true
				}
			}
		}
	}
	for ; len(keys) > 0; at-- {
		if hop = u.ref.Hops[at]; hop.Climbs {
			keys = l.below(hop, keys)
		}
		if at == 0 {
			return keys
		}
		keys = l.referring(u.ref.Hops[at-1], keys)
	}
	return nil
}

// awaited reports whether a change of a row matters to anybody: one that arrives
// and was never looked for does not.
func (l *lookups) awaited(table cdc.TableName, key string, bits uint64) bool {
	return bits&arrived == 0 || l.missed == nil || l.recalled && l.traceless[table] || l.missed[missedRow{table, key}]
}

func (l *lookups) below(hop mapping.Hop, keys map[string]bool) map[string]bool {
	return maps.Collect(func(yield func(string, bool) bool) {
		for key := range l.set.Tree(hop.Lookup).Below(keys) {
			if !yield(key, true) {
				return
			}
		}
	})
}

// referring are the keys of the rows of a hop whose column names one of keys.
func (l *lookups) referring(hop mapping.Hop, keys map[string]bool) map[string]bool {
	rows := l.tables[hop.Lookup.Table].Rows
	column := rows.Column(hop.Column)
	out := make(map[string]bool)
	for key := range keys {
		for r := range rows.Referring(column, key) {
			out[rows.Key(r)] = true
		}
	}
	return out
}

// rederiveSet gathers what is to be derived again. The zero value is empty.
type rederiveSet struct {
	// tables has, by table, the values by column, nil for all rows.
	tables map[string]map[string]map[string]bool
	values int
	bytes  int
}

// all adds every row of a table.
func (s *rederiveSet) all(table string) {
	if s.tables == nil {
		s.tables = make(map[string]map[string]map[string]bool)
	}
	s.tables[table] = nil
}

// add adds the rows whose column has one of values.
func (s *rederiveSet) add(table, column string, values []string) {
	if columns, ok := s.tables[table]; ok && columns == nil {
		return
	}
	if s.tables == nil {
		s.tables = make(map[string]map[string]map[string]bool)
	}
	if s.tables[table] == nil {
		s.tables[table] = make(map[string]map[string]bool)
	}
	have := s.tables[table][column]
	if have == nil {
		have = make(map[string]bool)
		s.tables[table][column] = have
	}
	for _, v := range values {
		if !have[v] {
			have[v] = true
			s.values, s.bytes = s.values+1, s.bytes+len(v)
		}
	}
	if s.values > maxRederiveValues || s.bytes > maxRederiveBytes {
		for t := range s.tables {
			s.all(t)
		}
		s.values, s.bytes = 0, 0
	}
}

// merge adds what list names.
func (s *rederiveSet) merge(list []inventory.Rederive) {
	for _, r := range list {
		if r.Column == "" {
			s.all(r.Table)
		} else {
			s.add(r.Table, r.Column, r.Values)
		}
	}
}

func (s *rederiveSet) empty() bool { return len(s.tables) == 0 }

// list is s in the order of tables and columns.
func (s *rederiveSet) list() []inventory.Rederive {
	var out []inventory.Rederive
	for table, columns := range s.tables {
		if columns == nil {
			out = append(out, inventory.Rederive{Table: table})
		}
		for column, values := range columns {
			out = append(out, inventory.Rederive{Table: table, Column: column, Values: slices.Sorted(maps.Keys(values))})
		}
	}
	slices.SortFunc(out, func(a, b inventory.Rederive) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column))
	})
	return out
}
