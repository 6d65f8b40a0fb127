package stockstore

import (
	"context"

	"tailstock/connector/inventory"
)

func (t *postgresTx) problems(ctx context.Context, rows []rowChange, each func(int, inventory.Problem) error) error {
	feeds, keys := refArrays(rows)
	return t.query(ctx, func(scan scanFunc) error {
		var i int
		var p inventory.Problem
		if err := scan(&i, (*string)(&p.Kind), &p.Rule, &p.Reason); err != nil {
			return err
		}
		return each(i-1, p)
	}, `select u.i, p.kind, p.rule, p.reason
		from unnest($1::integer[], $2::text[]) with ordinality u(feed, row_key, i)
		join problem p on p.feed = u.feed and p.row_key = u.row_key`, feeds, keys)
}
