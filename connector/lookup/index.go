package lookup

import (
	"hash/maphash"
	"iter"

	"tailstock/connector/cdc"
)

// index finds the rows by what a column of theirs refers to. Rows whose values
// have the same hash, as far as heads goes, are linked in both directions, so that
// taking one out costs the same however many there are. Links are Refs plus one.
type index struct {
	heads      []uint32
	next, prev blocks[uint32]
	linked     int
}

func newIndex() *index { return &index{heads: make([]uint32, firstSlots)} }

func (x *index) bytes() int64 {
	return 4 * int64(len(x.heads)+x.next.capacity()+x.prev.capacity())
}

// Index has the table keep an index of a column from now on, for Referring.
func (t *Table) Index(column int) {
	if t.indexes[column] != nil {
		return
	}
	x := newIndex()
	t.indexes[column] = x
	for r := range t.All() {
		x.link(t, r, t.Value(r, column))
	}
	x.grow(t, column)
}

// Referring yields the rows whose column has a text, in no particular order. The
// column must have an Index. The table must not be changed meanwhile.
func (t *Table) Referring(column int, text string) iter.Seq[Ref] {
	x := t.indexes[column]
	return func(yield func(Ref) bool) {
		for at := x.heads[x.bucket(t, text)]; at != 0; at = x.next.get(int(at - 1)) {
			r := Ref(at - 1)
			if v := t.Value(r, column); v.Text() == text && !yield(r) {
				return
			}
		}
	}
}

func (x *index) bucket(t *Table, text string) int {
	return int(uint32(maphash.String(t.seed, text)>>32)) & (len(x.heads) - 1)
}

// link adds a row with that value of the column. NULL refers to nothing.
func (x *index) link(t *Table, r Ref, v cdc.Value) {
	for x.next.len() <= int(r) {
		x.next.append(0)
		x.prev.append(0)
	}
	if v.IsNull() {
		return
	}
	head := &x.heads[x.bucket(t, v.Text())]
	x.next.set(int(r), *head)
	x.prev.set(int(r), 0)
	if *head != 0 {
		x.prev.set(int(*head-1), uint32(r)+1)
	}
	*head = uint32(r) + 1
	x.linked++
}

func (x *index) unlink(t *Table, r Ref, v cdc.Value) {
	if v.IsNull() {
		return
	}
	next, prev := x.next.get(int(r)), x.prev.get(int(r))
	if next != 0 {
		x.prev.set(int(next-1), prev)
	}
	if prev != 0 {
		x.next.set(int(prev-1), next)
	} else {
		x.heads[x.bucket(t, v.Text())] = next
	}
	x.next.set(int(r), 0)
	x.prev.set(int(r), 0)
	x.linked--
}

// grow doubles the heads when there are more rows than those.
func (x *index) grow(t *Table, column int) {
	if x.linked <= len(x.heads) {
		return
	}
	n := len(x.heads)
	for n < x.linked {
		n *= 2
	}
	x.heads, x.linked = make([]uint32, n), 0
	for r := range t.All() {
		x.link(t, r, t.Value(r, column))
	}
}

// link adds a row to the indexes.
func (t *Table) link(r Ref, values []cdc.Value) {
	for column, x := range t.indexes {
		if x != nil {
			x.link(t, r, values[column])
			x.grow(t, column)
		}
	}
}

// unlink takes a row out of the indexes, before its record changes.
func (t *Table) unlink(r Ref) {
	for column, x := range t.indexes {
		if x != nil {
			x.unlink(t, r, t.Value(r, column))
		}
	}
}
