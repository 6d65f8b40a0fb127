package connector

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/lookup"
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
			if l.mayBeAny(&u.ref.Hops[at]) {
				out.all(u.table)
				continue
			}
			if keys := l.affected(u, at); len(keys) > 0 {
				out.add(u.table, u.ref.Columns, slices.Sorted(maps.Keys(keys)))
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

// everything lists all rows that look up others.
func (l *lookups) everything() []inventory.Rederive {
	var out rederiveSet
	for i := range l.uses {
		out.all(l.uses[i].table)
	}
	return out.list()
}

// mayBeAny reports whether any row of a hop may have changed: when the tables are
// not exact, a change of a nested set does not tell what stood below the row before.
func (l *lookups) mayBeAny(hop *mapping.Hop) bool {
	t := l.tables[hop.Lookup.Table]
	switch {
	case t.emptied:
		return true
	case !l.settled && len(t.changed) > 0 && l.nestedOf(hop) != nil:
		return true
	case !hop.Exists:
		return false
	}
	g := t.groupOf(hop.Columns)
	return g != nil && g.unsure
}

// affected are the keys by which mapped rows refer to what changed at one hop of
// a use.
func (l *lookups) affected(u *use, at int) map[string]bool {
	keys := l.changedAt(&u.ref.Hops[at])
	for ; len(keys) > 0; at-- {
		hop := &u.ref.Hops[at]
		if hop.Climbs {
			keys = l.below(hop, keys)
		}
		if keys = referrers(hop, keys); at == 0 {
			return keys
		}
		keys = l.referring(&u.ref.Hops[at-1], keys)
	}
	return nil
}

// changedAt are the keys of the rows of a hop of which something changed that is
// read of them.
func (l *lookups) changedAt(hop *mapping.Hop) map[string]bool {
	t := l.tables[hop.Lookup.Table]
	keys := make(map[string]bool)
	if hop.Exists {
		l.appeared(t, hop, keys)
		return keys
	}
	var read uint64
	for _, column := range hop.Columns {
		read |= columnBit(t.Rows.Column(column))
	}
	for key, bits := range t.changed {
		if bits&read != 0 && l.awaited(t.name, key, bits) {
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
	return keys
}

// appeared adds the keys to keys that rows have now and none had before, or the
// other way round. Nobody notes which of them rows were mapped by.
func (l *lookups) appeared(t *keptTableRows, hop *mapping.Hop, keys map[string]bool) {
	if g := t.groupOf(hop.Columns); g != nil {
		for key, had := range g.had {
			if !l.settled || had != g.Has(key) {
				keys[key] = true
			}
		}
		return
	}
	for key, bits := range t.changed {
		if bits&(arrived|left) != 0 {
			keys[key] = true
		}
	}
}

// referrers are the keys by which rows refer to those of a hop. To a row whose key is
// too long none does, and no source is asked for such a key.
func referrers(hop *mapping.Hop, keys map[string]bool) map[string]bool {
	if hop.Width == 1 {
		maps.DeleteFunc(keys, func(key string, _ bool) bool { return strings.HasPrefix(key, longMark) })
		return keys
	}
	out := make(map[string]bool)
	for key := range keys {
		if by, ok := hop.Referrers(key); ok {
			out[by] = true
		}
	}
	return out
}

// awaited reports whether a change of a row matters to anybody: one that arrives
// and was never looked for does not.
func (l *lookups) awaited(table cdc.TableName, key string, bits uint64) bool {
	return bits&arrived == 0 || l.missed == nil || l.recalled && l.traceless[table] || l.missed[missedRow{table, key}]
}

func (l *lookups) below(hop *mapping.Hop, keys map[string]bool) map[string]bool {
	return maps.Collect(func(yield func(string, bool) bool) {
		for key := range l.set.Tree(hop.Lookup).Below(keys) {
			if !yield(key, true) {
				return
			}
		}
	})
}

// referring are the keys of the rows of a hop whose columns have one of keys.
func (l *lookups) referring(hop *mapping.Hop, keys map[string]bool) map[string]bool {
	t := l.tables[hop.Lookup.Table]
	rows, columns := t.Rows, t.places(hop.Columns)
	out := make(map[string]bool)
	for key := range keys {
		for r := range rows.Referring(columns, key) {
			out[rows.Key(r)] = true
		}
	}
	return out
}

// rederiveSet gathers what is to be derived again. The zero value is empty.
type rederiveSet struct {
	// tables has, by table, what rows refer by, nil for all rows.
	tables map[string]map[string]*rederiveKeys
	values int
	bytes  int
}

// rederiveKeys are keys, as lookup.JoinKey makes them, that columns may have.
type rederiveKeys struct {
	columns []string
	keys    map[string]bool
}

// all adds every row of a table.
func (s *rederiveSet) all(table string) {
	if s.tables == nil {
		s.tables = make(map[string]map[string]*rederiveKeys)
	}
	s.tables[table] = nil
}

// add adds the rows whose columns have one of keys.
func (s *rederiveSet) add(table string, columns, keys []string) {
	if by, ok := s.tables[table]; ok && by == nil {
		return
	}
	if s.tables == nil {
		s.tables = make(map[string]map[string]*rederiveKeys)
	}
	if s.tables[table] == nil {
		s.tables[table] = make(map[string]*rederiveKeys)
	}
	name := strings.Join(columns, "\x00")
	have := s.tables[table][name]
	if have == nil {
		have = &rederiveKeys{columns, make(map[string]bool)}
		s.tables[table][name] = have
	}
	for _, key := range keys {
		if !have.keys[key] {
			have.keys[key] = true
			s.values, s.bytes = s.values+1, s.bytes+len(key)
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
		if len(r.Columns) == 0 {
			s.all(r.Table)
			continue
		}
		keys := make([]string, len(r.Values))
		for i, texts := range r.Values {
			values := make([]cdc.Value, len(texts))
			for j, text := range texts {
				values[j] = cdc.Text(text)
			}
			keys[i] = lookup.JoinKey(values...)
		}
		s.add(r.Table, r.Columns, keys)
	}
}

func (s *rederiveSet) empty() bool { return len(s.tables) == 0 }

// list is s in the order of tables and columns.
func (s *rederiveSet) list() []inventory.Rederive {
	var out []inventory.Rederive
	for table, by := range s.tables {
		if by == nil {
			out = append(out, inventory.Rederive{Table: table})
		}
		for _, k := range by {
			out = append(out, inventory.Rederive{Table: table, Columns: k.columns, Values: k.texts()})
		}
	}
	slices.SortFunc(out, func(a, b inventory.Rederive) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), slices.Compare(a.Columns, b.Columns))
	})
	return out
}

// texts are the keys in their order, each with a text for each column.
func (k *rederiveKeys) texts() [][]string {
	out := make([][]string, 0, len(k.keys))
	for _, key := range slices.Sorted(maps.Keys(k.keys)) {
		texts := make([]string, len(k.columns))
		for i, v := range lookup.SplitKey(key, len(k.columns)) {
			texts[i] = v.Text()
		}
		out = append(out, texts)
	}
	return out
}
