package backfill

import (
	"errors"
	"fmt"

	"tailstock/connector/cdc"
)

// Placed is a row of a chunk that goes into the log.
type Placed struct {
	Key cdc.RowKey
	// Row is nil for a row that was asked for by its key and is not there: a delete.
	Row cdc.Row
	// Index is where Row stands in the chunk's Rows, -1 if it is nil: for what the
	// caller prepared beside them.
	Index int
}

// Prepare works out the row keys of c, which Merge otherwise does while the stream
// waits. It fails with cdc.ErrKey. It may be called by whoever holds c alone.
func (c *Chunk) Prepare() error {
	if len(c.keys) == len(c.Rows) {
		return nil
	}
	keys := make([]cdc.RowKey, len(c.Rows))
	for i, row := range c.Rows {
		key, err := c.Table.KeyOf(row)
		if err != nil {
			return fmt.Errorf("row %d of a chunk of table %s: %w", i, c.Table.Name, err)
		}
		keys[i] = key
	}
	c.keys = keys
	return nil
}

// Key returns the row key of Rows[i], once Prepare has run.
func (c *Chunk) Key(i int) cdc.RowKey { return c.keys[i] }

// Merge returns what of c, the answer to r, is to be placed at this point of the
// stream: its rows about which the stream has said nothing newer, in key order,
// and then the listed keys that have no row. It must be called at a boundary
// between commits at which c's view is Reached; a later one does as well as the
// first. It fails with ErrReread when the table changed meanwhile, with
// ErrOverflow, and otherwise with an error that no other attempt cures. It
// changes nothing.
func (w *Window) Merge(r *Request, c *Chunk) ([]Placed, error) {
	if err := w.fits(c); err != nil {
		return nil, fmt.Errorf("merge chunk of table %s: %w", c.Table.Name, err)
	}
	if err := c.Prepare(); err != nil {
		return nil, err
	}
	if w.truncated != nil && !c.View.Sees(w.truncated) {
		return nil, nil // All of it was read before the table was emptied.
	}
	placed := make([]Placed, 0, max(len(c.Rows), len(r.Keys)))
	for i, row := range c.Rows {
		if !w.newer(c.View, c.keys[i]) {
			placed = append(placed, Placed{Key: c.keys[i], Row: row, Index: i})
		}
	}
	if len(r.Keys) == 0 {
		return placed, nil
	}
	return w.missing(placed, r.Keys, c)
}

// newer reports whether the stream's last word on a row is newer than view.
func (w *Window) newer(view View, key cdc.RowKey) bool {
	t, ok := w.touched[key]
	return ok && !view.Sees(t)
}

// missing appends to placed those of keys for which c has no row and the stream
// nothing newer, each once.
func (w *Window) missing(placed []Placed, keys []Key, c *Chunk) ([]Placed, error) {
	done := make(map[cdc.RowKey]struct{}, len(keys))
	for _, key := range c.keys {
		done[key] = struct{}{}
	}
	row := make(cdc.Row, len(c.Table.Columns))
	for _, k := range keys {
		if len(k) != len(c.Table.Key) {
			return nil, fmt.Errorf("merge chunk of table %s: key %q has %d values, the table's has %d",
				c.Table.Name, k, len(k), len(c.Table.Key))
		}
		for i, column := range c.Table.Key {
			row[column] = cdc.Text(k[i])
		}
		key, err := c.Table.KeyOf(row)
		if err != nil {
			return nil, fmt.Errorf("merge chunk of table %s: key %q: %w", c.Table.Name, k, err)
		}
		if _, ok := done[key]; ok {
			continue
		}
		done[key] = struct{}{}
		if !w.newer(c.View, key) {
			placed = append(placed, Placed{Key: key, Index: -1})
		}
	}
	return placed, nil
}

// fits reports why c cannot be merged through w at all.
func (w *Window) fits(c *Chunk) error {
	switch {
	case w.closed:
		return errors.New("its window is closed")
	case c.Table.Name != w.table:
		return fmt.Errorf("its window is on table %s", w.table)
	case w.inside || w.recorder.inside:
		return errors.New("not at a boundary between commits")
	case w.overflowed:
		return ErrOverflow
	}
	for _, t := range w.versions {
		if !sameShape(t, c.Table) {
			return fmt.Errorf("%w: the table was altered", ErrReread)
		}
	}
	return nil
}

// sameShape reports whether two versions of a table name rows alike and have the
// same columns. Otherwise keys cannot be compared, or a row read under one version
// would follow one streamed under the other. What the source calls a type does
// not count: it is for people.
func sameShape(a, b *cdc.Table) bool {
	if a == b {
		return true
	}
	if len(a.Columns) != len(b.Columns) || len(a.Key) != len(b.Key) {
		return false
	}
	for i := range a.Key {
		if a.Columns[a.Key[i]].Name != b.Columns[b.Key[i]].Name {
			return false
		}
	}
	for i := range a.Columns {
		j := b.Column(a.Columns[i].Name)
		if j < 0 || a.Columns[i].Type != b.Columns[j].Type {
			return false
		}
	}
	return true
}
