package stockstore

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/inventory"
)

// levelsRows is about how many contributions, and cells, one statement sums up.
const levelsRows = 20_000

// CellDrift is a cell that was not the sum of its contributions.
type CellDrift struct {
	Source string
	Table  string
	// Counts is false for a feed that is still being loaded.
	Counts bool
	inventory.Cell
	// Held is what the cell said, Sum what its contributions add up to.
	Held, Sum CellSum
	feed      int32
}

// CellSum is what a cell sums up.
type CellSum struct {
	Contributions int64
	Quantities    inventory.Quantities
}

// CheckedLevels is what checking the levels of a source came to.
type CheckedLevels struct {
	// Cells counts the cells that were compared, Drifted those that were wrong.
	Cells, Drifted int64
	// Misjudged counts the contributions with a validity of which the store has a wrong
	// idea when they count, as is left behind by a clock that was wrong.
	Misjudged int64
}

// CheckLevels recomputes the cells of a source from its contributions, SKU by SKU,
// and calls each for every cell that is not their sum. It compares a page of SKUs as
// of one moment, so that it may run beside everything else. With repair it sets such
// cells right, as of the moment at which it does, and has them published. Contributions
// are judged by the clock of this process anew, unless one of their bounds is within a
// minute of it.
func (s *Store) CheckLevels(ctx context.Context, source string, repair bool, each func(CellDrift) error) (CheckedLevels, error) {
	var total CheckedLevels
	for page := (skuPage{}); !page.last; {
		if err := s.checkPage(ctx, source, &page, &total, repair, each); err != nil {
			return total, fmt.Errorf("check levels of source %s: %w", source, err)
		}
	}
	return total, nil
}

// checkPage checks the SKUs behind page, and moves it there.
func (s *Store) checkPage(ctx context.Context, source string, page *skuPage, total *CheckedLevels, repair bool,
	each func(CellDrift) error,
) error {
	var found []CellDrift
	var misjudged int64
	err := s.db.snapshot(ctx, func(r reader) (err error) {
		if err := page.next(ctx, r); err != nil {
			return err
		}
		var cells int64
		cells, err = page.cells(ctx, r, source)
		total.Cells += cells
		if err == nil {
			found, err = page.drifts(ctx, r, source)
		}
		if err == nil {
			misjudged, err = page.misjudged(ctx, r, source, inventory.MomentOf(s.now()))
		}
		return err
	})
	total.Misjudged += misjudged
	if err != nil || len(found) == 0 && misjudged == 0 {
		return err
	}
	if repair {
		if found, err = s.repairCells(ctx, source, page); err != nil {
			return err
		}
	}
	total.Drifted += int64(len(found))
	for i := range found {
		if err := each(found[i]); err != nil {
			return err
		}
	}
	return nil
}

// repairCells sets the cells of a page right under the lock of the source, so that
// nothing is applied meanwhile, and returns what was wrong with them.
func (s *Store) repairCells(ctx context.Context, source string, page *skuPage) ([]CellDrift, error) {
	var found []CellDrift
	err := s.db.write(ctx, durable, func(tx transaction) error {
		locked, err := tx.lockSource(ctx, source, nil)
		if err != nil {
			return err
		}
		if locked.schema > schemaVersion {
			return &SchemaError{Store: locked.schema, Known: schemaVersion}
		}
		if err := page.judge(ctx, tx, source, inventory.MomentOf(s.now())); err != nil {
			return err
		}
		if found, err = page.drifts(ctx, tx, source); err != nil {
			return err
		}
		w := &batchWriter{tx: tx, book: &feedBook{tx: tx, store: s.id, source: source, feeds: locked.feeds}}
		deltas := make([]cellDelta, len(found))
		for i := range found {
			deltas[i] = found[i].delta()
		}
		commit := &inventory.Commit{Transaction: "repair", CommittedAt: time.Now()}
		return w.addCells(ctx, deltas, []cause{{commit: commit}})
	})
	if err == nil && len(found) > 0 {
		s.signal()
	}
	return found, err
}

// delta is what sets the cell right.
func (d *CellDrift) delta() cellDelta {
	return cellDelta{
		cellKey: cellKey{d.feed, d.Cell}, quantities: d.Sum.Quantities.Minus(d.Held.Quantities),
		contributions: d.Sum.Contributions - d.Held.Contributions,
	}
}

// skuPage is a stretch of SKUs: those behind after, up to and including upto, or all
// that follow if it is the last.
type skuPage struct {
	after, upto string
	last        bool
}

// next moves p to the stretch behind it, of about levelsRows contributions or cells.
func (p *skuPage) next(ctx context.Context, r reader) error {
	p.after = p.upto
	p.last = true
	for _, sql := range []string{
		`select count(*), coalesce(max(sku), '') from (select sku from cell where sku > $1 order by sku limit $2) x`,
		`select count(*), coalesce(max(sku), '') from (select sku from contribution where sku > $1 order by sku limit $2) x`,
	} {
		var n int
		var sku string
		err := r.query(ctx, func(scan scanFunc) error { return scan(&n, &sku) }, sql, p.after, levelsRows)
		if err != nil {
			return err
		}
		if n == levelsRows && (p.last || sku < p.upto) {
			p.upto, p.last = sku, false
		}
	}
	return nil
}

// bounds are the arguments that stand for p.
func (p *skuPage) bounds(source string) []any { return []any{source, p.after, p.upto, p.last} }

func (p *skuPage) cells(ctx context.Context, r reader, source string) (n int64, err error) {
	err = r.query(ctx, func(scan scanFunc) error { return scan(&n) },
		`select count(*) from cell c join feed f on f.id = c.feed
		where f.source = $1 and f.state <> 'dropped' and c.sku > $2 and (c.sku <= $3 or $4)`, p.bounds(source)...)
	return n, err
}

// drifts reads the cells of p that are not the sums of their contributions.
func (p *skuPage) drifts(ctx context.Context, r reader, source string) ([]CellDrift, error) {
	var found []CellDrift
	err := r.query(ctx, func(scan scanFunc) error {
		d := CellDrift{Source: source}
		h, s := &d.Held, &d.Sum
		err := scan((*string)(&d.SKU), (*string)(&d.Location), &d.feed, &d.Table, &d.Counts, &h.Contributions, &s.Contributions,
			(*int64)(&h.Quantities[0]), (*int64)(&h.Quantities[1]), (*int64)(&h.Quantities[2]), (*int64)(&h.Quantities[3]), (*int64)(&h.Quantities[4]),
			(*int64)(&s.Quantities[0]), (*int64)(&s.Quantities[1]), (*int64)(&s.Quantities[2]), (*int64)(&s.Quantities[3]), (*int64)(&s.Quantities[4]))
		found = append(found, d)
		return err
	}, selectDrifts, p.bounds(source)...)
	return found, err
}

// What Validity.At says of a contribution at moment $5, and that the store has it
// otherwise. What is due is no mistake: it is done next. So is what may have been done,
// or not, by a clock a minute away.
const (
	judgedDue = `case when valid_until <= $5 or valid_from >= valid_until then null when valid_from > $5 then valid_from else valid_until end`
	misjudged = `sku > $2 and (sku <= $3 or $4) and (valid_from is not null or valid_until is not null)
		and (due is null or due > $5) and due is distinct from ` + judgedDue + `
		and coalesce(abs(valid_from - $5) > 60000, true) and coalesce(abs(valid_until - $5) > 60000, true)
		and feed in (select f.id from feed f where f.source = $1 and f.state <> 'dropped')`
)

// misjudged counts the contributions of p that do not stand as the clock says.
func (p *skuPage) misjudged(ctx context.Context, r reader, source string, now inventory.Moment) (n int64, err error) {
	err = r.query(ctx, func(scan scanFunc) error { return scan(&n) },
		`select count(*) from contribution where `+misjudged, append(p.bounds(source), now.Milliseconds())...)
	return n, err
}

// judge has the contributions of p stand as the clock says. Their cells do not know yet.
func (p *skuPage) judge(ctx context.Context, tx transaction, source string, now inventory.Moment) error {
	_, err := tx.exec(ctx, `update contribution set due = `+judgedDue+` where `+misjudged, append(p.bounds(source), now.Milliseconds())...)
	return err
}

// selectDrifts sums up, for each cell of source $1, what it holds and what those of its
// contributions say that count, and returns those where that differs.
const selectDrifts = `with sums as (
		select sku, location, feed, sum(hn) hn, sum(sn) sn,
			sum(h0) h0, sum(h1) h1, sum(h2) h2, sum(h3) h3, sum(h4) h4,
			sum(s0) s0, sum(s1) s1, sum(s2) s2, sum(s3) s3, sum(s4) s4
		from (
			select sku, location, feed, contributions hn, on_hand h0, committed h1, unavailable h2, safety_stock h3, incoming h4,
				0 sn, 0 s0, 0 s1, 0 s2, 0 s3, 0 s4
			from cell where sku > $2 and (sku <= $3 or $4)
			union all
			select sku, location, feed, 0, 0, 0, 0, 0, 0, 1, on_hand, committed, unavailable, safety_stock, incoming
			from contribution where sku > $2 and (sku <= $3 or $4) and due is not distinct from valid_until
		) both_sides
		group by sku, location, feed
	)
	select sku, location, f.id, f.table_name, f.state <> 'loading', cast(hn as bigint), cast(sn as bigint),
		cast(h0 as bigint), cast(h1 as bigint), cast(h2 as bigint), cast(h3 as bigint), cast(h4 as bigint),
		cast(s0 as bigint), cast(s1 as bigint), cast(s2 as bigint), cast(s3 as bigint), cast(s4 as bigint)
	from sums join feed f on f.id = sums.feed
	where f.source = $1 and f.state <> 'dropped'
		and (hn <> sn or h0 <> s0 or h1 <> s1 or h2 <> s2 or h3 <> s3 or h4 <> s4)
	order by sku, location, f.id`
