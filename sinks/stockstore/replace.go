package stockstore

import (
	"context"

	"tailstock/connector/inventory"
)

// sliceRows bounds the rows that one statement reads or writes, and with them
// the memory that a batch takes beside its messages.
const sliceRows = 5_000

// replacement replaces the contributions of rows: what is stored is compared
// with what the events state, and only differences are written.
type replacement struct {
	tx      transaction
	causes  []cause
	deltas  *deltas
	changes contributionChanges
	written int
	memory  *loadMemory
	// ahead may have what is stored of the first slice.
	ahead *readAhead
	// seen says of each contribution of the slice whether the store has its leg;
	// those of row i begin at first[i].
	seen  []bool
	first []int32
}

// apply replaces the contributions of the rows that have a good event, slice by slice.
func (r *replacement) apply(ctx context.Context, rows []rowChange) error {
	slice := make([]rowChange, 0, min(len(rows), sliceRows))
	for i := range rows {
		if rows[i].good != nil {
			slice = append(slice, rows[i])
		}
		if len(slice) == sliceRows || (i == len(rows)-1 && len(slice) > 0) {
			if err := r.slice(ctx, slice); err != nil {
				return err
			}
			slice = slice[:0]
		}
	}
	return nil
}

func (r *replacement) slice(ctx context.Context, rows []rowChange) error {
	r.seen, r.first = r.seen[:0], r.first[:0]
	for i := range rows {
		r.first = append(r.first, int32(len(r.seen))) //nolint:gosec // fits in memory many times
		for range rows[i].good.Contributions {
			r.seen = append(r.seen, false)
		}
	}
	r.changes.reset()
	err := r.stored(ctx, rows, func(i int, s *storedLeg) error {
		return r.compare(&rows[i], int(r.first[i]), s)
	})
	if err != nil {
		return err
	}
	for i := range rows {
		if err := r.insertUnseen(&rows[i], int(r.first[i])); err != nil {
			return err
		}
	}
	r.written += r.changes.len()
	if r.changes.len() == 0 {
		return nil
	}
	return r.tx.changeContributions(ctx, &r.changes, r.causes)
}

// stored calls each for every stored contribution of rows.
func (r *replacement) stored(ctx context.Context, rows []rowChange, each func(i int, s *storedLeg) error) error {
	ahead := r.ahead
	r.ahead = nil
	held, at := r.memory.mayHold(rows)
	switch {
	case ahead.answers(rows):
		for i := range ahead.legs {
			if err := each(ahead.legs[i].row, &ahead.legs[i].storedLeg); err != nil {
				return err
			}
		}
		return nil
	case len(held) == 0:
		return nil
	case at == nil:
		return r.tx.contributions(ctx, rows, each)
	}
	return r.tx.contributions(ctx, held, func(i int, s *storedLeg) error { return each(int(at[i]), s) })
}

// compare decides on one stored contribution of a row.
func (r *replacement) compare(row *rowChange, first int, s *storedLeg) error {
	for j := range row.good.Contributions {
		c := &row.good.Contributions[j]
		if c.Leg != s.Leg {
			continue
		}
		r.seen[first+j] = true
		if *c == s.Contribution {
			return nil
		}
		write := contributionWrite{row.rowRef, c, s.place, row.goodCause}
		if c.SKU == s.SKU && c.Location == s.Location {
			r.changes.updates = append(r.changes.updates, write)
			return r.deltas.add(row.feed, c, c.Quantities.Minus(s.Quantities), 0, row.goodCause)
		}
		r.changes.moves = append(r.changes.moves, write)
		if err := r.withdraw(row, s); err != nil {
			return err
		}
		return r.deltas.add(row.feed, c, c.Quantities, 1, row.goodCause)
	}
	gone := s.Contribution
	r.changes.deletes = append(r.changes.deletes, contributionWrite{row.rowRef, &gone, s.place, row.goodCause})
	return r.withdraw(row, s)
}

func (r *replacement) withdraw(row *rowChange, s *storedLeg) error {
	return r.deltas.add(row.feed, &s.Contribution, inventory.Quantities{}.Minus(s.Quantities), -1, row.goodCause)
}

// insertUnseen adds the contributions whose legs the store does not have.
func (r *replacement) insertUnseen(row *rowChange, first int) error {
	for j := range row.good.Contributions {
		if r.seen[first+j] {
			continue
		}
		c := &row.good.Contributions[j]
		r.changes.inserts = append(r.changes.inserts, contributionWrite{row.rowRef, c, 0, row.goodCause})
		if err := r.deltas.add(row.feed, c, c.Quantities, 1, row.goodCause); err != nil {
			return err
		}
	}
	return nil
}
