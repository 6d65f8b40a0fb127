package postgres

import (
	"errors"
	"fmt"
	"slices"

	"tailstock/connector/cdc"
)

// change decodes an Insert, Update or Delete message.
func (d *decoder) change(kind byte, w *wire) error {
	if !d.open {
		return errNotOpen
	}
	if d.skip {
		return nil
	}
	b, err := d.relation(w.uint32())
	if err != nil || b.table == nil {
		return err
	}
	var c cdc.Change
	switch kind {
	case kindInsert:
		c, err = d.insert(b, w)
	case kindUpdate:
		c, err = d.update(b, w)
	default:
		c, err = d.delete(b, w)
	}
	if err == nil {
		err = w.check("row")
	}
	if err != nil {
		return fmt.Errorf("decode a change of table %s in transaction %d at %s: %w",
			b.table.Name, d.begin.xid, d.begin.commit, err)
	}
	d.add(c)
	return nil
}

// relation returns what oid stands for in an emitted transaction.
func (d *decoder) relation(oid uint32) (*binding, error) {
	b, ok := d.binder.bound[oid]
	if !ok {
		return nil, fmt.Errorf("pgoutput sent a change of relation %d without announcing it", oid)
	}
	if b.problem != nil {
		return nil, b.problem
	}
	return b, nil
}

var errTuple = errors.New("tuple of an unknown kind")

func (d *decoder) insert(b *binding, w *wire) (cdc.Change, error) {
	if kind := w.uint8(); kind != tupleNew {
		return cdc.Change{}, fmt.Errorf("%w %q", errTuple, kind)
	}
	after, err := d.tuple(b, w, tupleNew)
	return cdc.Change{Op: cdc.OpInsert, Table: b.table, After: after}, err
}

func (d *decoder) update(b *binding, w *wire) (cdc.Change, error) {
	c := cdc.Change{Op: cdc.OpUpdate, Table: b.table}
	kind := w.uint8()
	var err error
	if kind == tupleKey || kind == tupleOld {
		if c.Before, err = d.tuple(b, w, kind); err != nil {
			return c, err
		}
		kind = w.uint8()
	}
	if kind != tupleNew {
		return c, fmt.Errorf("%w %q", errTuple, kind)
	}
	if c.After, err = d.tuple(b, w, tupleNew); err != nil {
		return c, err
	}
	// An out-of-line value that the update left alone is not sent again, but the
	// before image has it: always under FULL, and for key columns.
	for i := range c.Before {
		if c.After[i].IsUnchanged() {
			c.After[i] = c.Before[i]
		}
	}
	return c, nil
}

func (d *decoder) delete(b *binding, w *wire) (cdc.Change, error) {
	kind := w.uint8()
	if kind != tupleKey && kind != tupleOld {
		return cdc.Change{}, fmt.Errorf("%w %q", errTuple, kind)
	}
	before, err := d.tuple(b, w, kind)
	return cdc.Change{Op: cdc.OpDelete, Table: b.table, Before: before}, err
}

// tuple decodes a tuple. In an old tuple, the columns that it does not carry come
// as NULL and mean that they are not there.
func (d *decoder) tuple(b *binding, w *wire, kind byte) (cdc.Row, error) {
	if n := int(w.uint16()); n != len(b.plan) && !w.bad {
		return nil, fmt.Errorf("tuple of %d columns in a relation of %d", n, len(b.plan))
	}
	row := d.values.Row(len(b.table.Columns))
	for _, i := range b.plan {
		switch value := w.uint8(); value {
		case valueText:
			text := w.take(int(w.int32()))
			if i >= 0 {
				d.bytes += len(text)
				row[i] = cdc.Text(canonical(b.table.Columns[i].Type, d.texts.Add(text)))
			}
		case valueNull:
			if i >= 0 && kind != tupleNew && !b.carried[i] {
				row[i] = cdc.Unchanged
			}
		case valueUnchanged:
			if i >= 0 {
				row[i] = cdc.Unchanged
			}
		default:
			if w.bad {
				return row, nil // the caller checks
			}
			return nil, fmt.Errorf("value of unknown kind %q", value)
		}
	}
	return row, nil
}

// truncate decodes a Truncate message into one change for each wanted table.
func (d *decoder) truncate(w *wire) error {
	m, err := parseTruncate(w)
	switch {
	case err != nil:
		return err
	case !d.open:
		return errNotOpen
	case d.skip:
		return nil
	}
	var tables []*cdc.Table
	for _, oid := range m.oids {
		b, err := d.relation(oid)
		if err != nil {
			return err
		}
		if b.table == nil || slices.Contains(tables, b.table) {
			continue
		}
		if b.leaf && !coversPartitions(m.oids, b.catalog) {
			return &cdc.GapError{
				Reason: cdc.GapSkipped,
				Detail: fmt.Sprintf("partition %s.%s of table %s was truncated alone in transaction %d: "+
					"its rows left without a change each", b.message.schema, b.message.name, b.table.Name, d.begin.xid),
				Fix: reloadFix,
			}
		}
		tables = append(tables, b.table)
		d.add(cdc.Change{Op: cdc.OpTruncate, Table: b.table})
	}
	return nil
}

// coversPartitions reports whether a truncation of oids empties the whole of a
// partitioned table: it names the table itself, or all of its partitions.
func coversPartitions(oids []uint32, r *relation) bool {
	if slices.Contains(oids, r.oid) {
		return true
	}
	for _, leaf := range r.partitions {
		if !slices.Contains(oids, leaf) {
			return false
		}
	}
	return true
}
