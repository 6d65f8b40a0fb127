package lookup

import "tailstock/connector/cdc"

// Group counts the rows of a table by a key that some of their columns have, which
// need not be the table's: it says whether there is a row. It belongs to the table's
// goroutine, and follows what the table says. A key costs its text and some twenty
// bytes, however many rows have it.
type Group struct {
	columns columnsOf
	keys    *Table
	counts  blocks[uint32] // by the keys' Refs
	b       []byte         // scratch
}

// Group returns the group of some columns, which the table keeps from then on.
func (t *Table) Group(columns ...int) *Group {
	for _, g := range t.groups {
		if g.columns.equal(columns) {
			return g
		}
	}
	g := &Group{columns: columns, keys: New(nil)}
	t.groups = append(t.groups, g)
	for r := range t.All() {
		g.add(t, r)
	}
	return g
}

// Columns returns the columns that make up the keys. It must not be modified.
func (g *Group) Columns() []int { return g.columns }

// Has reports whether there is a row with a key.
func (g *Group) Has(key string) bool {
	_, ok := g.keys.Find(key)
	return ok
}

// HasBytes is Has for a key in a buffer.
func (g *Group) HasBytes(key []byte) bool {
	_, ok := g.keys.FindBytes(key)
	return ok
}

// KeyOf returns the key that a row of values, one for each column of the table,
// has, and whether it can name anything.
func (g *Group) KeyOf(values []cdc.Value) (string, bool) {
	b, ok := g.columns.key(nil, func(column int) cdc.Value { return values[column] })
	return string(b), ok
}

func (g *Group) bytes() int64 { return g.keys.Bytes() + 4*int64(g.counts.capacity()) }

func (g *Group) clear() {
	g.keys.Clear()
	g.counts = blocks[uint32]{}
}

// names puts the key of a row into b, and reports whether it names anything.
func (g *Group) names(t *Table, r Ref) bool {
	var ok bool
	g.b, ok = g.columns.key(g.b[:0], func(column int) cdc.Value { return t.Value(r, column) })
	return ok
}

func (g *Group) add(t *Table, r Ref) {
	if !g.names(t, r) {
		return
	}
	at, ok := g.keys.FindBytes(g.b)
	if !ok {
		at = g.keys.Put(string(g.b), nil)
		for g.counts.len() <= int(at) {
			g.counts.append(0)
		}
		g.counts.set(int(at), 0)
	}
	g.counts.set(int(at), g.counts.get(int(at))+1)
}

func (g *Group) remove(t *Table, r Ref) {
	if !g.names(t, r) {
		return
	}
	at, ok := g.keys.FindBytes(g.b)
	if !ok {
		panic("lookup: a row that no group has")
	}
	n := g.counts.get(int(at)) - 1
	if g.counts.set(int(at), n); n == 0 {
		g.keys.Delete(string(g.b))
	}
}
