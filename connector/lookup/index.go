package lookup

import (
	"hash/maphash"
	"iter"

	"tailstock/connector/cdc"
)

// index finds the rows by what columns of theirs refer to. Rows whose keys
// have the same hash, as far as heads goes, are linked in both directions, so that
// taking one out costs the same however many there are. Links are Refs plus one.
type index struct {
	columns    columnsOf
	heads      []uint32
	next, prev blocks[uint32]
	linked     int
	b          []byte // scratch
}

func newIndex(columns []int) *index {
	return &index{columns: columns, heads: make([]uint32, firstSlots)}
}

func (x *index) bytes() int64 {
	return 4 * int64(len(x.heads)+x.next.capacity()+x.prev.capacity())
}

// Index has the table keep an index of some columns from now on, for Referring.
func (t *Table) Index(columns ...int) {
	if t.index(columns) != nil {
		return
	}
	x := newIndex(columns)
	t.indexes = append(t.indexes, x)
	for r := range t.All() {
		x.link(t, r)
	}
	x.grow(t)
}

// index returns the index of some columns, nil if there is none.
func (t *Table) index(columns []int) *index {
	for _, x := range t.indexes {
		if x.columns.equal(columns) {
			return x
		}
	}
	return nil
}

// Referring yields the rows whose columns have a key, in no particular order. The
// columns must have an Index. The table must not be changed meanwhile, nor
// may Referring be called for the same columns.
func (t *Table) Referring(columns []int, key string) iter.Seq[Ref] {
	x := t.index(columns)
	return func(yield func(Ref) bool) {
		for at := x.heads[x.bucket(t, key)]; at != 0; at = x.next.get(int(at - 1)) {
			r := Ref(at - 1)
			if x.names(t, r); string(x.b) == key && !yield(r) {
				return
			}
		}
	}
}

func (x *index) bucket(t *Table, key string) int {
	return int(uint32(maphash.String(t.seed, key)>>32)) & (len(x.heads) - 1)
}

// names puts the key that a row's columns have into b, and reports whether it
// names anything.
func (x *index) names(t *Table, r Ref) bool {
	var ok bool
	x.b, ok = x.columns.key(x.b[:0], func(column int) cdc.Value { return t.Value(r, column) })
	return ok
}

// head is where the chain of the key in b begins.
func (x *index) head(t *Table) *uint32 {
	return &x.heads[int(uint32(maphash.Bytes(t.seed, x.b)>>32))&(len(x.heads)-1)]
}

// link adds a row. NULL refers to nothing.
func (x *index) link(t *Table, r Ref) {
	for x.next.len() <= int(r) {
		x.next.append(0)
		x.prev.append(0)
	}
	if !x.names(t, r) {
		return
	}
	head := x.head(t)
	x.next.set(int(r), *head)
	x.prev.set(int(r), 0)
	if *head != 0 {
		x.prev.set(int(*head-1), uint32(r)+1)
	}
	*head = uint32(r) + 1
	x.linked++
}

func (x *index) unlink(t *Table, r Ref) {
	if !x.names(t, r) {
		return
	}
	next, prev := x.next.get(int(r)), x.prev.get(int(r))
	if next != 0 {
		x.prev.set(int(next-1), prev)
	}
	if prev != 0 {
		x.next.set(int(prev-1), next)
	} else {
		*x.head(t) = next
	}
	x.next.set(int(r), 0)
	x.prev.set(int(r), 0)
	x.linked--
}

// grow doubles the heads when there are more rows than those.
func (x *index) grow(t *Table) {
	if x.linked <= len(x.heads) {
		return
	}
	n := len(x.heads)
	for n < x.linked {
		n *= 2
	}
	x.heads, x.linked = make([]uint32, n), 0
	for r := range t.All() {
		x.link(t, r)
	}
}

// link adds a row to the indexes and groups.
func (t *Table) link(r Ref) {
	for _, x := range t.indexes {
		x.link(t, r)
		x.grow(t)
	}
	for _, g := range t.groups {
		g.add(t, r)
	}
}

// unlink takes a row out of the indexes and groups, before its record changes.
func (t *Table) unlink(r Ref) {
	for _, x := range t.indexes {
		x.unlink(t, r)
	}
	for _, g := range t.groups {
		g.remove(t, r)
	}
}
