package stockstore

import (
	"context"

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
