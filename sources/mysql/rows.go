package mysql

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"tailstock/connector/cdc"
)

// rowsEvent is the head of an event with rows.
type rowsEvent struct {
	bound *bound
	op    cdc.Op
	// before and after say which columns the images have.
	before, after []byte
	// partial says that JSON values of after images may be differences.
	partial bool
	// whole says that after images have every wanted column.
	whole bool
}

var errUnknownTable = errors.New("rows of a table that was not announced")

// rows decodes the rows of an event, and adds a change for each.
func (d *decoder) rows(kind uint8, body []byte) error {
	w := &wire{b: body}
	id := w.uint(6)
	w.uint16() // flags
	if kind >= eventWriteRows && kind <= eventDeleteRows || kind == eventPartialUpdate {
		w.take(int(w.uint16()) - 2)
	}
	bound, ok := d.binder.byID[id]
	switch {
	case w.bad:
		return fmt.Errorf("rows: %w", errShort)
	case !ok:
		return fmt.Errorf("%w: number %d", errUnknownTable, id)
	}
	if len(bound.children) > 0 && !isInsert(kind) {
		d.doubt(bound.children)
	}
	switch {
	case bound.problem == nil && bound.table == nil:
		return nil
	case bound.problem != nil && d.group.skip && !d.group.prepares():
		return nil
	case bound.problem != nil:
		return bound.problem
	}
	e := rowsEvent{bound: bound}
	if err := e.head(kind, w); err != nil {
		return fmt.Errorf("rows of table %s: %w", bound.table.Name, err)
	}
	data := w.b
	if kind >= eventMariaWriteCompressed && kind <= eventMariaDeleteCompressed {
		var err error
		if data, err = decompressed(data); err != nil {
			return fmt.Errorf("rows of table %s: %w", bound.table.Name, err)
		}
	}
	for len(data) > 0 {
		var c cdc.Change
		var err error
		if c, data, err = d.row(&e, data); err != nil {
			return fmt.Errorf("row of table %s in transaction %s at %s: %w", bound.table.Name, d.group.name(), d.group.start, err)
		}
		if err := d.add(c); err != nil {
			return err
		}
	}
	return nil
}

func isInsert(kind uint8) bool {
	return kind == eventWriteRows || kind == eventWriteRowsV1 || kind == eventMariaWriteCompressed
}

// doubt notes captured tables that the group may have changed without saying so.
func (d *decoder) doubt(children []cdc.TableName) {
	if d.group.skip {
		return
	}
	for _, name := range children {
		if !slices.Contains(d.doubts, name) {
			d.doubts = append(d.doubts, name)
		}
	}
}

// head takes what precedes the rows.
func (e *rowsEvent) head(kind uint8, w *wire) error {
	n := w.count()
	if n != len(e.bound.fields) && !w.bad {
		return fmt.Errorf("%d columns, and the table map has %d", n, len(e.bound.fields))
	}
	images := w.take((n + 7) / 8)
	switch kind {
	case eventWriteRowsV1, eventWriteRows, eventMariaWriteCompressed:
		e.op, e.after = cdc.OpInsert, images
	case eventDeleteRowsV1, eventDeleteRows, eventMariaDeleteCompressed:
		e.op, e.before = cdc.OpDelete, images
	default:
		e.op, e.before, e.after = cdc.OpUpdate, images, w.take((n+7)/8)
		e.partial = kind == eventPartialUpdate
	}
	if w.bad {
		return errShort
	}
	e.whole = !e.partial
	for i := range e.bound.fields {
		if e.bound.fields[i].index >= 0 && e.after != nil && !bit(e.after, i) {
			e.whole = false
		}
	}
	return nil
}

func bit(bitmap []byte, i int) bool { return bitmap[i>>3]&(1<<(i&7)) != 0 }

// row decodes one row.
func (d *decoder) row(e *rowsEvent, data []byte) (c cdc.Change, rest []byte, err error) {
	c = cdc.Change{Op: e.op, Table: e.bound.table}
	n := len(e.bound.table.Columns)
	switch e.op {
	case cdc.OpInsert:
		c.After = d.values.Row(n)
		rest, err = d.image(e.bound, e.after, data, c.After, false)
		if err == nil && !keyed(c.Table, c.After) {
			err = errNoKey(c.Table)
		}
	case cdc.OpDelete:
		c.Before = d.values.Row(n)
		rest, err = d.image(e.bound, e.before, data, c.Before, false)
		if err == nil && !keyed(c.Table, c.Before) {
			err = errNoKey(c.Table)
		}
	case cdc.OpUpdate:
		if e.whole {
			return d.wholeUpdate(e, data, c)
		}
		c.Before, c.After = d.values.Row(n), d.values.Row(n)
		if rest, err = d.image(e.bound, e.before, data, c.Before, false); err != nil {
			return c, nil, err
		}
		rest, err = d.image(e.bound, e.after, rest, c.After, e.partial)
		for i := range c.After {
			// What the after image leaves out stayed as it was. What it has a difference
			// for did not.
			if c.After[i].IsUnchanged() && !slices.Contains(d.differing, i) {
				c.After[i] = c.Before[i]
			}
		}
		if err == nil && !keyed(c.Table, c.Before) {
			err = errNoKey(c.Table)
		}
	default:
	}
	return c, rest, err
}

// keyed reports whether row has its key.
func keyed(t *cdc.Table, row cdc.Row) bool {
	for _, k := range t.Key {
		if row[k].IsUnchanged() {
			return false
		}
	}
	return true
}

// errNoKey is the error of an image without the key, of which nobody can tell what row it is of.
func errNoKey(t *cdc.Table) error {
	return &cdc.GapError{
		Reason: cdc.GapSkipped,
		Detail: fmt.Sprintf("a change of table %s came without the columns of its key", t.Name),
		Fix:    "use binlog_row_image=FULL; " + reloadFix,
	}
}

// wholeUpdate decodes an update whose after image has everything. Of the before
// image it looks at the key alone, and keeps it only if the update changed it.
func (d *decoder) wholeUpdate(e *rowsEvent, data []byte, c cdc.Change) (cdc.Change, []byte, error) {
	old := data
	rest, err := d.keys(e, e.before, data)
	if err != nil {
		return c, nil, err
	}
	d.oldKey, d.newKey = d.newKey, d.oldKey
	c.After = d.values.Row(len(c.Table.Columns))
	after := rest
	if rest, err = d.image(e.bound, e.after, rest, c.After, false); err != nil {
		return c, nil, err
	}
	if _, err = d.keys(e, e.after, after); err != nil {
		return c, nil, err
	}
	for i := range d.oldKey {
		if !bytes.Equal(d.oldKey[i], d.newKey[i]) {
			c.Before = d.values.Row(len(c.Table.Columns))
			_, err = d.image(e.bound, e.before, old, c.Before, false)
			if err == nil && !keyed(c.Table, c.Before) {
				err = errNoKey(c.Table)
			}
			return c, rest, err
		}
	}
	return c, rest, err
}

var errRow = errors.New("row ends in the middle of a value")

// keys puts the bytes of an image's key into newKey, and returns what is behind the image.
func (d *decoder) keys(e *rowsEvent, present, data []byte) ([]byte, error) {
	d.newKey = d.newKey[:0]
	nulls, data, err := nullBits(present, len(e.bound.fields), data)
	if err != nil {
		return nil, err
	}
	at := 0
	for i := range e.bound.fields {
		f := &e.bound.fields[i]
		if !bit(present, i) {
			if f.key {
				return nil, errNoKey(e.bound.table)
			}
			continue
		}
		null := bit(nulls, at)
		at++
		if null {
			continue
		}
		value, rest, ok := f.take(data)
		if !ok {
			return nil, errRow
		}
		if f.key {
			d.newKey = append(d.newKey, value)
		}
		data = rest
	}
	return data, nil
}

// nullBits cuts the bits of the columns that are there off the front of an image.
func nullBits(present []byte, n int, data []byte) (nulls, rest []byte, err error) {
	count := 0
	for i, b := range present {
		if i == n/8 {
			b &= 1<<(n%8) - 1
		}
		count += bits.OnesCount8(b)
	}
	size := (count + 7) / 8
	if size > len(data) {
		return nil, nil, errRow
	}
	return data[:size], data[size:], nil
}

// differenceBits cuts what a partial image begins with off its front: whether it
// has differences, and which of the table's JSON columns those are of.
func differenceBits(b *bound, data []byte, partial bool) (differences, rest []byte, err error) {
	if !partial {
		return nil, data, nil
	}
	w := &wire{b: data}
	if w.packed()&1 != 0 { // PARTIAL_JSON_UPDATES
		differences = w.take((b.jsons + 7) / 8)
	}
	if w.bad {
		return nil, nil, errRow
	}
	return differences, w.b, nil
}

// image decodes an image into row, and returns what is behind it. Columns that are
// not there, and JSON values of which there is only a difference, are Unchanged.
func (d *decoder) image(b *bound, present, data []byte, row cdc.Row, partial bool) ([]byte, error) {
	d.differing = d.differing[:0]
	differences, data, err := differenceBits(b, data, partial)
	if err != nil {
		return nil, err
	}
	nulls, data, err := nullBits(present, len(b.fields), data)
	if err != nil {
		return nil, err
	}
	at, json := 0, 0
	for i := range b.fields {
		f := &b.fields[i]
		difference := false
		if f.kind == fieldJSON {
			difference = differences != nil && bit(differences, json)
			json++
		}
		if !bit(present, i) {
			if f.index >= 0 {
				row[f.index] = cdc.Unchanged
			}
			continue
		}
		null := bit(nulls, at)
		at++
		if null {
			continue
		}
		value, rest, ok := f.take(data)
		if !ok {
			return nil, errRow
		}
		data = rest
		if f.index < 0 {
			continue
		}
		if difference {
			if len(value) > 0 { // an empty one is no difference
				d.differing = append(d.differing, f.index)
			}
			row[f.index] = cdc.Unchanged
			continue
		}
		if row[f.index], err = d.value(f, value); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.column.name, err)
		}
	}
	return data, nil
}

// value makes the canonical value of a field.
func (d *decoder) value(f *field, value []byte) (cdc.Value, error) {
	if f.charset == nil || !f.charset.plain {
		text, err := f.appendValue(d.scratch[:0], value)
		if err != nil {
			return cdc.Value{}, err
		}
		d.scratch, value = text[:0], text
	}
	d.bytes += len(value)
	return cdc.Text(d.texts.Add(value)), nil
}
