package lookup

import (
	"fmt"
	"hash/maphash"
	"iter"
	"slices"

	"tailstock/connector/cdc"
)

// Ref stands for a row of a Table: while the row is there, and no longer.
type Ref uint32

// maxRows bounds a table. Two numbers stand for slots without a row.
const maxRows = 1<<32 - 3

// Table is a reference table in memory. The zero Table is of no use; New makes one.
type Table struct {
	columns []string
	pages   arena
	// rows holds where the record of each row is, noPlace for a Ref without a row.
	rows blocks[place]
	free []Ref
	// slots is the hash table of keys: the key's hash above, the row's Ref below.
	slots []uint64
	used  int // slots that are not empty
	live  int
	seed  maphash.Seed
	// indexes and groups are those that were asked for.
	indexes []*index
	groups  []*Group
	values  []cdc.Value // scratch
	// version counts the changes.
	version uint64
}

// New returns an empty table with the named columns.
func New(columns []string) *Table {
	return &Table{
		columns: slices.Clone(columns), slots: make([]uint64, firstSlots), seed: maphash.MakeSeed(),
		values: make([]cdc.Value, len(columns)),
	}
}

// Columns returns the names of the columns. It must not be modified.
func (t *Table) Columns() []string { return t.columns }

// Column returns the place of a column, -1 if there is none of that name.
func (t *Table) Column(name string) int { return slices.Index(t.columns, name) }

// Len is how many rows there are.
func (t *Table) Len() int { return t.live }

// Bytes is about how much memory the table takes.
func (t *Table) Bytes() int64 {
	n := t.pages.bytes() + 8*int64(len(t.slots)) + 8*int64(t.rows.capacity()) + 4*int64(cap(t.free))
	for _, x := range t.indexes {
		n += x.bytes()
	}
	for _, g := range t.groups {
		n += g.bytes()
	}
	return n
}

// Find returns the row with a key.
func (t *Table) Find(key string) (Ref, bool) {
	at, ok := t.slot(key, t.hash(key))
	if !ok {
		return 0, false
	}
	return refOf(t.slots[at]), true
}

// FindBytes is Find for a key in a buffer.
func (t *Table) FindBytes(key []byte) (Ref, bool) {
	h := uint32(maphash.Bytes(t.seed, key) >> 32)
	mask := len(t.slots) - 1
	for i := int(h) & mask; ; i = (i + 1) & mask {
		switch s := t.slots[i]; {
		case s == emptySlot:
			return 0, false
		case s != deletedSlot && uint32(s>>32) == h && t.Key(refOf(s)) == string(key):
			return refOf(s), true
		}
	}
}

// Value returns a column of a row.
func (t *Table) Value(r Ref, column int) cdc.Value {
	_, rest := t.pages.key(t.rows.get(int(r)))
	for range column {
		_, rest = cutValue(rest)
	}
	v, _ := cutValue(rest)
	return v
}

// Key returns the key of a row.
func (t *Table) Key(r Ref) string {
	key, _ := t.pages.key(t.rows.get(int(r)))
	return key
}

// Values returns all columns of a row, in a slice that is the caller's.
func (t *Table) Values(r Ref) []cdc.Value {
	return slices.Clone(t.read(r))
}

// read returns all columns of a row until the next call.
func (t *Table) read(r Ref) []cdc.Value {
	_, rest := t.pages.key(t.rows.get(int(r)))
	for i := range t.values {
		t.values[i], rest = cutValue(rest)
	}
	return t.values
}

// Put makes values, one for each column, the row with a key. It panics if one of
// them was not sent: such a row must be completed before.
func (t *Table) Put(key string, values []cdc.Value) Ref {
	if len(values) != len(t.columns) {
		panic(fmt.Sprintf("lookup: a row of %d values for %d columns", len(values), len(t.columns)))
	}
	t.version++
	h := t.hash(key)
	at, ok := t.slot(key, h)
	if ok {
		r := refOf(t.slots[at])
		t.unlink(r)
		old := t.rows.get(int(r))
		t.rows.set(int(r), t.pages.add(key, values))
		t.link(r)
		t.discard(old)
		return r
	}
	r := t.newRef()
	if t.slots[at] == emptySlot {
		t.used++
	}
	t.slots[at] = slotOf(h, r)
	t.live++
	t.rows.set(int(r), t.pages.add(key, values))
	t.link(r)
	t.grow()
	return r
}

// Delete removes the row with a key, and reports whether there was one.
func (t *Table) Delete(key string) bool {
	at, ok := t.slot(key, t.hash(key))
	if !ok {
		return false
	}
	t.version++
	r := refOf(t.slots[at])
	t.unlink(r)
	old := t.rows.get(int(r))
	t.slots[at] = deletedSlot
	t.rows.set(int(r), noPlace)
	t.free = append(t.free, r)
	t.live--
	t.discard(old)
	return true
}

// Clear removes all rows. Refs begin anew.
func (t *Table) Clear() {
	t.version++
	t.pages, t.rows, t.free = arena{}, blocks[place]{}, nil
	t.slots, t.used, t.live = make([]uint64, firstSlots), 0, 0
	for i, x := range t.indexes {
		t.indexes[i] = newIndex(x.columns)
	}
	for _, g := range t.groups {
		g.clear()
	}
}

// All yields every row, in the order of their Refs. The table must not be changed meanwhile.
func (t *Table) All() iter.Seq[Ref] {
	return func(yield func(Ref) bool) {
		for i := range t.rows.len() {
			if t.rows.get(i) != noPlace && !yield(Ref(i)) {
				return
			}
		}
	}
}

func (t *Table) newRef() Ref {
	if n := len(t.free); n > 0 {
		r := t.free[n-1]
		t.free = t.free[:n-1]
		return r
	}
	if t.rows.len() >= maxRows {
		panic("lookup: more than four billion rows")
	}
	return Ref(t.rows.append(noPlace)) //nolint:gosec // below maxRows
}

// discard gives up the record at a place, which no row has any more. When little of
// its page is in use, the records that are move to the newest one.
func (t *Table) discard(at place) {
	if !t.pages.discard(at, t.size(at)) {
		return
	}
	for from, record := range t.pages.records(at.page(), len(t.columns)) {
		key, _ := cutKey(record)
		if slot, ok := t.slot(key, t.hash(key)); ok {
			if owner := refOf(t.slots[slot]); t.rows.get(int(owner)) == from {
				t.rows.set(int(owner), t.pages.move(record))
			}
		}
	}
	t.pages.drop(at.page())
}

// size is the length of a record.
func (t *Table) size(at place) int {
	whole := t.pages.from(at)
	_, rest := cutKey(whole)
	for range t.columns {
		_, rest = cutValue(rest)
	}
	return len(whole) - len(rest)
}
