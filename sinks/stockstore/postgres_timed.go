package stockstore

import (
	"context"
	"encoding/binary"
)

// timedArrays holds the columns that only contributions with a validity have.
type timedArrays struct{ from, until, due []*int64 }

func newTimedArrays(writes []contributionWrite) timedArrays {
	n := len(writes)
	a := timedArrays{make([]*int64, n), make([]*int64, n), make([]*int64, n)}
	for i := range writes {
		a.from[i], a.until[i] = momentValue(writes[i].Valid.From), momentValue(writes[i].Valid.Until)
		a.due[i] = momentValue(writes[i].due)
	}
	return a
}

// changeTimed writes contributions that have a validity, or had one.
func (t *postgresTx) changeTimed(ctx context.Context, c *contributionChanges, causes []cause) error {
	if len(c.timedMoves) > 0 {
		a, v := newContributionArrays(c.timedMoves, causes), newTimedArrays(c.timedMoves)
		t.queueExactly(len(c.timedMoves), `update contribution c set sku = u.sku, location = u.location,
				on_hand = u.on_hand, committed = u.committed, unavailable = u.unavailable,
				safety_stock = u.safety_stock, incoming = u.incoming,
				run = u.run, number = u.number, committed_at = u.committed_at, transaction_id = u.transaction_id,
				valid_from = u.valid_from, valid_until = u.valid_until, due = u.due
			from unnest($1::tid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
				$9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[])
				u(place, sku, location, on_hand, committed, unavailable, safety_stock, incoming,
				run, number, committed_at, transaction_id, valid_from, valid_until, due)
			where c.ctid = u.place`,
			tidsOf(c.timedMoves), a.skus, a.locations,
			a.quantities[0], a.quantities[1], a.quantities[2], a.quantities[3], a.quantities[4],
			a.runs, a.numbers, a.commitAt, a.transactions, v.from, v.until, v.due)
	}
	switch n := len(c.timedInserts); {
	case n >= copyLeast:
		return t.copyTimed(ctx, c.timedInserts, causes)
	case n > 0:
		a, v := newContributionArrays(c.timedInserts, causes), newTimedArrays(c.timedInserts)
		t.queue(`insert into contribution (feed, row_key, leg, sku, location,
				on_hand, committed, unavailable, safety_stock, incoming, run, number, committed_at, transaction_id,
				valid_from, valid_until, due)
			select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[],
				$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
				$11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[])`,
			a.feeds, a.keys, a.legs, a.skus, a.locations,
			a.quantities[0], a.quantities[1], a.quantities[2], a.quantities[3], a.quantities[4],
			a.runs, a.numbers, a.commitAt, a.transactions, v.from, v.until, v.due)
	}
	return nil
}

// copyTimed inserts many contributions with a validity, none of which the table has.
func (t *postgresTx) copyTimed(ctx context.Context, writes []contributionWrite, causes []cause) error {
	rows := newCopyRows(len(writes), 280)
	for i := range writes {
		w := &writes[i]
		rows.contribution(w, &causes[w.cause], contributionFields+3)
		for _, ms := range [...]*int64{momentValue(w.Valid.From), momentValue(w.Valid.Until), momentValue(w.due)} {
			rows.nullable(ms)
		}
	}
	return rows.send(ctx, t, len(writes), `contribution (`+contributionColumns+`, valid_from, valid_until, due)`)
}

// nullable is int64, with what COPY has for NULL.
func (c *copyRows) nullable(v *int64) {
	if v == nil {
		c.b = binary.BigEndian.AppendUint32(c.b, 1<<32-1)
		return
	}
	c.int64(*v)
}

func (t *postgresTx) setDue(_ context.Context, writes []contributionWrite) error {
	n := len(writes)
	feeds, keys, legs := make([]int32, n), make([]string, n), make([]string, n)
	for i := range writes {
		feeds[i], keys[i], legs[i] = writes[i].feed, string(writes[i].row), writes[i].Leg
	}
	t.queueExactly(n, `update contribution c set due = u.due
		from unnest($1::integer[], $2::text[], $3::text[], $4::bigint[]) u(feed, row_key, leg, due)
		where c.feed = u.feed and c.row_key = u.row_key and c.leg = u.leg`, feeds, keys, legs, newTimedArrays(writes).due)
	return nil
}
