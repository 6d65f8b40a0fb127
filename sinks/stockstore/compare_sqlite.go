package stockstore

import (
	"context"
	"encoding/json"

	"tailstock/connector/inventory"
)

func (t *sqliteTx) problems(ctx context.Context, rows []rowChange, each func(int, inventory.Problem) error) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		err := t.query(ctx, func(scan scanFunc) error {
			var p inventory.Problem
			if err := scan((*string)(&p.Kind), &p.Rule, &p.Reason); err != nil {
				return err
			}
			return each(i, p)
		}, `select kind, rule, reason from problem where feed = $1 and row_key = $2`, rows[i].feed, string(rows[i].row))
		if err != nil {
			return err
		}
	}
	return nil
}

// manyRows is from how many rows on one statement for all of them pays.
const manyRows = 50

func ofOneFeed(rows []rowChange) bool {
	for i := range rows {
		if rows[i].feed != rows[0].feed {
			return false
		}
	}
	return true
}

// manyContributions reads the stored contributions of rows, which are of one feed, in
// one statement. The keys go in as a JSON array, whose order the cross join keeps.
func (t *sqliteTx) manyContributions(ctx context.Context, rows []rowChange, each func(int, *storedLeg) error) error {
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = string(rows[i].row)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	return t.query(ctx, func(scan scanFunc) error {
		var i int
		var s storedLeg
		q := &s.Quantities
		err := scan(&i, &s.Leg, (*string)(&s.SKU), (*string)(&s.Location),
			(*int64)(&q[0]), (*int64)(&q[1]), (*int64)(&q[2]), (*int64)(&q[3]), (*int64)(&q[4]),
			(*momentColumn)(&s.Valid.From), (*momentColumn)(&s.Valid.Until), (*momentColumn)(&s.due))
		if err != nil {
			return err
		}
		return each(i, &s)
	}, `select j.key, c.leg, c.sku, c.location, c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming,
			c.valid_from, c.valid_until, c.due
		from json_each($2) j cross join contribution c
		where c.feed = $1 and c.row_key = j.value`, rows[0].feed, string(text))
}
