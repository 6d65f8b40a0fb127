package endtoend_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fillBins inserts the bins that a harsh workload needs beside those that everybody
// changes, so that a table has several chunks.
var fillBins = fmt.Sprintf(`insert into bin_stock (id, sku, site, qty)
	select %d + n, 'BRK-' || n %% 40, 'DC' || n %% 3, n %% 50 from generate_series(0, %d) n on conflict do nothing`, 2*bins, spread-1)

// rewrites change columns so that PostgreSQL writes the whole table anew, while no
// value becomes another.
var rewrites = []string{
	`alter table bin_stock alter column qty type numeric(13,4)`,
	`alter table bin_stock alter column qty type numeric(12,3)`,
	`alter table order_line alter column qty type bigint, alter column qty_shipped type bigint`,
	`alter table order_line alter column qty type int, alter column qty_shipped type int`,
}

// bin draws a bin: most of the time of the few that everybody changes.
func (k *worker) bin() int {
	if k.w.harsh && k.rng.IntN(3) == 0 {
		return 2*bins + k.rng.IntN(spread)
	}
	return k.rng.IntN(bins)
}

// changeHarshly does what applications rarely and administrators sometimes do.
func (k *worker) changeHarshly(ctx context.Context, tx pgx.Tx) error {
	id := k.bin()
	statements := []string{fmt.Sprintf(`delete from bin_stock where id = %d`, id)}
	switch n := k.rng.IntN(100); {
	case n < 2:
		statements = []string{`truncate bin_stock`, fillBins}
	case n < 4:
		statements = []string{`truncate order_line`}
	case n == 4:
		statements = []string{`truncate bin_stock, order_line`}
	case n < 12:
		statements = []string{rewrites[k.rng.IntN(len(rewrites))]}
	case n < 40:
		// Many rows at once, whose values out of line are not sent.
		statements = []string{fmt.Sprintf(`update bin_stock set qty = qty + 1 where id between %d and %d`, id, id+40)}
	case n < 60:
		statements = append(statements,
			fmt.Sprintf(`update bin_stock set id = %d where id = %d`, id, k.bin()),
			fmt.Sprintf(`insert into bin_stock (id, sku, site, qty) values (%d, 'BRK-001', 'DC2', 3) on conflict (id) do nothing`, id))
	default:
		statements = append(statements,
			fmt.Sprintf(`insert into bin_stock values (%d, '%s', '%s', 'QC', %d, '%s')`, id, sku(k.rng), site(k.rng), k.rng.IntN(50), note(k.rng)))
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// finishPrepared ends the transaction in two phases.
func (k *worker) finishPrepared(ctx context.Context) (committed bool, err error) {
	name := fmt.Sprintf("worker %d", k.marker) // it has one at a time
	if _, err := k.conn.Exec(ctx, fmt.Sprintf(`prepare transaction '%s'`, name)); err != nil {
		return false, err
	}
	committed = k.rng.IntN(3) > 0
	end := "rollback"
	if committed {
		end = "commit"
	}
	_, err = k.conn.Exec(ctx, fmt.Sprintf(`%s prepared '%s'`, end, name))
	return committed, err
}
