package stockstore

import (
	"time"

	"tailstock/connector/inventory"
)

// levelRow is what one feed has of a cell.
type levelRow struct {
	inventory.Cell
	// feed is 0 where the store has nothing of the cell; nothing else is set then.
	feed          int32
	source        string
	counted       bool
	contributions int64
	quantities    inventory.Quantities
	updatedAt     int64
	committedAt   int64
	transaction   string
}

// levelRowColumns are the columns of a levelRow, of cell c and feed f.
const levelRowColumns = `c.sku, c.location, c.feed, f.source, f.state in ('active', 'stale'), c.contributions,
	c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming, c.updated_at, c.committed_at, c.transaction_id`

func (r *levelRow) scan(scan scanFunc) error {
	q := &r.quantities
	return scan((*string)(&r.SKU), (*string)(&r.Location), &r.feed, &r.source, &r.counted, &r.contributions,
		(*int64)(&q[0]), (*int64)(&q[1]), (*int64)(&q[2]), (*int64)(&q[3]), (*int64)(&q[4]),
		&r.updatedAt, &r.committedAt, &r.transaction)
}

// levelRows are the rows of some cells, those of a cell together.
type levelRows []levelRow

// eachCell calls f with the rows of each cell.
func (rows levelRows) eachCell(f func(levelRows)) {
	for first, i := 0, 1; i <= len(rows); i++ {
		if i == len(rows) || rows[i].Cell != rows[first].Cell {
			f(rows[first:i])
			first = i
		}
	}
}

// level sums the rows of one cell: the level is the sum over the feeds that
// count. now stands for the time of a change that the store knows nothing of.
func (rows levelRows) level(now time.Time) inventory.Level {
	l := inventory.Level{Cell: rows[0].Cell, UpdatedAt: now}
	var contributions int64
	var latest *levelRow
	for i := range rows {
		r := &rows[i]
		if r.feed == 0 || !r.counted {
			continue
		}
		contributions += r.contributions
		l.Quantities = l.Quantities.Plus(r.quantities)
		if latest == nil || r.updatedAt > latest.updatedAt {
			latest = r
		}
	}
	l.Gone = contributions == 0
	if latest != nil {
		l.UpdatedAt = fromMicros(latest.updatedAt)
		l.Source, l.Transaction, l.CommittedAt = latest.source, latest.transaction, fromMicros(latest.committedAt)
	}
	return l
}

// levels returns the level of every cell of rows, with the commit that caused it.
func (rows levelRows) levels(now time.Time) []inventory.Level {
	out := make([]inventory.Level, 0, len(rows))
	rows.eachCell(func(cell levelRows) { out = append(out, cell.level(now)) })
	return out
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
