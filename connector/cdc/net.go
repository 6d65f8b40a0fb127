package cdc

import (
	"errors"
	"fmt"
)

// errOp is returned for an operation that is none of the constants.
var errOp = errors.New("unknown operation")

// NetChange is all that a commit, or one part of it, did to one row: the row's
// last image, whatever it went through before. With OpTruncate it is the table.
type NetChange struct {
	// Op is OpTruncate, OpDelete when the row is gone, and otherwise the row's last operation.
	Op    Op
	Table *Table
	// Key is empty for OpTruncate.
	Key RowKey
	// After is the row as the commit left it, nil when it is gone. Values that
	// the source never sent in this commit are still Unchanged.
	After Row
	// Created is true when no row with this key existed before the commit, so
	// that nothing downstream can hold anything of it. It is always false for
	// the parts of a split commit, of which only a piece is seen at a time.
	Created bool
}

// Netter folds the changes of a commit into one per row. Applications pass
// through wrong states inside a transaction (a quantity moved by a delete and
// an insert, a total rewritten row by row); only what the commit left behind
// may become visible. A Netter is reused from commit to commit to save
// allocation; it is not safe for concurrent use.
type Netter struct {
	tables map[TableName]int32
	idents map[*Table]int32
	rows   map[rowIdent]netRow
	out    []NetChange
	order  []NetChange
}

// rowIdent names a row across the versions of its table within a commit.
type rowIdent struct {
	table int32
	key   RowKey
}

type netRow struct {
	index   int // into out
	existed bool
}

// Net returns the net changes of t: truncations first, then rows in the order
// in which the commit first touched them since. A row that the commit created
// and deleted again is left out. The result is valid until the next call. Rows of t may be completed in
// place: an Unchanged value is filled from the before image or from an earlier
// image of the same row under the same *Table. (Another version of the table
// may have moved, retyped or replaced the column.) Net fails with ErrKey when a
// change lacks its key.
func (n *Netter) Net(t *Transaction) ([]NetChange, error) {
	n.reset()
	whole := t.Part == 0 && t.Last
	for i := range t.Changes {
		if err := n.add(&t.Changes[i], whole); err != nil {
			return nil, fmt.Errorf("table %s: %s in transaction %s: %w",
				t.Changes[i].Table.Name, t.Changes[i].Op, t.ID, err)
		}
	}
	return n.result(), nil
}

// keepRows is how many rows a commit may touch and still leave its maps and
// slices to the next: clearing a large map would cost every small commit dear.
const keepRows = 4096

func (n *Netter) reset() {
	if n.idents == nil || len(n.idents) > keepRows {
		n.tables = make(map[TableName]int32)
		n.idents = make(map[*Table]int32)
	}
	if n.rows == nil || len(n.out) > keepRows {
		n.rows = make(map[rowIdent]netRow)
		n.out, n.order = nil, nil
	}
	clear(n.rows)
	clear(n.out)
	clear(n.order)
	n.out, n.order = n.out[:0], n.order[:0]
}

func (n *Netter) add(c *Change, whole bool) error {
	table := n.ident(c.Table)
	switch c.Op {
	case OpTruncate:
		n.truncate(c, table)
		return nil
	case OpDelete:
		key, err := c.Table.KeyOf(c.Before)
		if err != nil {
			return err
		}
		n.put(rowIdent{table, key}, NetChange{Op: OpDelete, Table: c.Table, Key: key}, true)
		return nil
	case OpUpdate:
		return n.update(c, table, whole)
	case OpInsert, OpRead:
		key, err := c.Table.KeyOf(c.After)
		if err != nil {
			return err
		}
		// A row that a backfill reads may have been there all along.
		existed := c.Op == OpRead || !whole
		n.put(rowIdent{table, key}, NetChange{Op: c.Op, Table: c.Table, Key: key, After: c.After}, existed)
		return nil
	default:
		return errOp
	}
}

func (n *Netter) update(c *Change, table int32, whole bool) error {
	fill(c.After, c.Before)
	after, err := c.Table.KeyOf(c.After)
	if err != nil {
		return err
	}
	before := after
	if c.Before != nil {
		if before, err = c.Table.KeyOf(c.Before); err != nil {
			return err
		}
	}
	if earlier, ok := n.rows[rowIdent{table, before}]; ok {
		if e := &n.out[earlier.index]; e.Table == c.Table {
			fill(c.After, e.After)
		}
	}
	if before != after {
		n.put(rowIdent{table, before}, NetChange{Op: OpDelete, Table: c.Table, Key: before}, true)
	}
	// A key that a row moves to did not exist unless the commit already touched
	// it; a part of a split commit cannot know that. In put, existed only counts
	// on first touch.
	existed := before == after || !whole
	n.put(rowIdent{table, after}, NetChange{Op: OpUpdate, Table: c.Table, Key: after, After: c.After}, existed)
	return nil
}

// put records change as the latest state of the row. existed says whether the
// row was there before the commit, should this be the first that the commit
// does to it.
func (n *Netter) put(row rowIdent, change NetChange, existed bool) {
	if r, ok := n.rows[row]; ok {
		n.out[r.index] = change
		n.out[r.index].Created = !r.existed
		return
	}
	change.Created = !existed
	n.rows[row] = netRow{index: len(n.out), existed: existed}
	n.out = append(n.out, change)
}

// truncate forgets what the commit did to the table's rows so far.
func (n *Netter) truncate(c *Change, table int32) {
	for row, r := range n.rows {
		if row.table == table {
			n.out[r.index] = NetChange{}
			delete(n.rows, row)
		}
	}
	for i := range n.out {
		if n.out[i].Op == OpTruncate && n.ident(n.out[i].Table) == table {
			return
		}
	}
	n.out = append(n.out, NetChange{Op: OpTruncate, Table: c.Table})
}

// result orders truncations first and drops what left no trace.
func (n *Netter) result() []NetChange {
	truncated := false
	gone := false
	for i := range n.out {
		truncated = truncated || n.out[i].Op == OpTruncate
		gone = gone || n.vanished(&n.out[i])
	}
	if !truncated && !gone {
		return n.out
	}
	for i := range n.out {
		if n.out[i].Op == OpTruncate {
			n.order = append(n.order, n.out[i])
		}
	}
	for i := range n.out {
		if n.out[i].Op != OpTruncate && !n.vanished(&n.out[i]) {
			n.order = append(n.order, n.out[i])
		}
	}
	return n.order
}

// vanished reports whether c has nothing to tell: a slot emptied by a
// truncation, or a row that was created and deleted within the commit.
func (n *Netter) vanished(c *NetChange) bool {
	return c.Op == 0 || (c.Op == OpDelete && c.Created)
}

func (n *Netter) ident(t *Table) int32 {
	if id, ok := n.idents[t]; ok {
		return id
	}
	id, ok := n.tables[t.Name]
	if !ok {
		id = int32(len(n.tables)) //nolint:gosec // bounded by reset
		n.tables[t.Name] = id
	}
	n.idents[t] = id
	return id
}

// fill replaces Unchanged values of row by those of earlier, an image of the
// same row of the same Table, or nil.
func fill(row, earlier Row) {
	for i := range min(len(row), len(earlier)) {
		if row[i].IsUnchanged() {
			row[i] = earlier[i]
		}
	}
}
