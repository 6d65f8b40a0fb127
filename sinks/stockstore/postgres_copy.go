package stockstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
)

// copyLeast is from how many rows on COPY is used, which takes a round trip of its
// own: arrays cost the server half as much again for every row.
const copyLeast = 200

// copyRows makes the input of COPY in binary form, as the documentation of COPY
// has it: a header, for each row the number of its fields and each of them behind
// its length, and an end.
type copyRows struct{ b []byte }

const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

func newCopyRows(rows, rowBytes int) *copyRows {
	c := &copyRows{b: make([]byte, 0, len(copyHeader)+rows*rowBytes+2)}
	c.b = append(c.b, copyHeader...)
	return c
}

func (c *copyRows) row(fields uint16) { c.b = binary.BigEndian.AppendUint16(c.b, fields) }

func (c *copyRows) int32(v int32) {
	c.b = binary.BigEndian.AppendUint32(c.b, 4)
	c.b = binary.BigEndian.AppendUint32(c.b, uint32(v)) //nolint:gosec // the bits are those of an int32
}

func (c *copyRows) int64(v int64) {
	c.b = binary.BigEndian.AppendUint32(c.b, 8)
	c.b = binary.BigEndian.AppendUint64(c.b, uint64(v)) //nolint:gosec // the bits are those of an int64
}

func (c *copyRows) text(s string) {
	c.b = binary.BigEndian.AppendUint32(c.b, uint32(len(s))) //nolint:gosec // a few hundred bytes
	c.b = append(c.b, s...)
}

// send sends the n rows to a table, behind what is queued.
func (c *copyRows) send(ctx context.Context, t *postgresTx, n int, table string) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	c.b = append(c.b, 0xff, 0xff)
	tag, err := t.conn.PgConn().CopyFrom(ctx, bytes.NewReader(c.b), "copy "+table+" from stdin (format binary)")
	if err != nil {
		return err
	}
	if tag.RowsAffected() != int64(n) {
		return fmt.Errorf("%d of %d rows were copied", tag.RowsAffected(), n)
	}
	return nil
}

// copyContributions inserts many contributions, none of which the table has.
func (t *postgresTx) copyContributions(ctx context.Context, writes []contributionWrite, causes []cause) error {
	rows := newCopyRows(len(writes), 240)
	for i := range writes {
		rows.contribution(&writes[i], &causes[writes[i].cause], contributionFields)
	}
	return rows.send(ctx, t, len(writes), `contribution (`+contributionColumns+`)`)
}

// contributionColumns are the contributionFields columns that every contribution has.
const (
	contributionColumns = `feed, row_key, leg, sku, location,
		on_hand, committed, unavailable, safety_stock, incoming, run, number, committed_at, transaction_id`
	contributionFields = 14
)

// contribution begins a row of so many fields with contributionColumns.
func (c *copyRows) contribution(w *contributionWrite, by *cause, fields uint16) {
	c.row(fields)
	c.int32(w.feed)
	c.text(string(w.row))
	c.text(w.Leg)
	c.text(string(w.SKU))
	c.text(string(w.Location))
	for _, q := range w.Quantities {
		c.int64(int64(q))
	}
	c.int64(int64(by.position.Run))    //nolint:gosec // 15 digits
	c.int64(int64(by.position.Number)) //nolint:gosec // 12 digits
	c.int64(by.commit.CommittedAt.UnixMicro())
	c.text(by.commit.Transaction)
}

// addNewCells makes cells that the table does not have.
func (t *postgresTx) addNewCells(ctx context.Context, deltas []cellDelta, causes []cause, now int64) error {
	if len(deltas) < copyLeast {
		return t.addToCells(ctx, deltas, causes, now)
	}
	rows := newCopyRows(len(deltas), 200)
	for i := range deltas {
		d, commit := &deltas[i], causes[deltas[i].cause].commit
		rows.row(12)
		rows.text(string(d.SKU))
		rows.text(string(d.Location))
		rows.int32(d.feed)
		rows.int64(d.contributions)
		for _, q := range d.quantities {
			rows.int64(int64(q))
		}
		rows.int64(now)
		rows.int64(commit.CommittedAt.UnixMicro())
		rows.text(commit.Transaction)
	}
	return rows.send(ctx, t, len(deltas), `cell (sku, location, feed, contributions,
		on_hand, committed, unavailable, safety_stock, incoming, updated_at, committed_at, transaction_id)`)
}
