package stockstore

import (
	"context"

	"tailstock/connector/inventory"
)

// sliceRows bounds the rows that one statement reads or writes, and with them
// the memory that a batch takes beside its messages.
const sliceRows = 2_500

// replacement replaces the contributions of rows: what is stored is compared
// with what the events state, and only differences are written.
type replacement struct {
	tx      transaction
	causes  []cause
	deltas  *deltas
	changes contributionChanges
	written int
	memory  *loadMemory
	now     inventory.Moment
	// due is the earliest due moment of what was written, zero if there is none.
	due inventory.Moment
	// ahead may have what is stored of the first slice.
	ahead *readAhead
	// seen says of each contribution of the slice whether the store has its leg;
	// those of row i begin at first[i].
	seen  []bool
	first []int32
}

// apply replaces the contributions of the rows that have a good event, slice by
// slice: while one is compared, the database reads what it holds of the next.
func (r *replacement) apply(ctx context.Context, rows []rowChange) error {
	good := make([]rowChange, 0, len(rows))
	for i := range rows {
		if rows[i].good != nil {
			good = append(good, rows[i])
		}
	}
	stored, slice := r.ahead, good[:min(sliceRows, len(good))]
	r.ahead = nil
	if stored.answers(slice) {
		r.memory.mayHold(slice) // it does from now on
	} else {
		var err error
		if stored, err = r.ask(ctx, slice); err != nil {
			return err
		}
	}
	for len(slice) > 0 {
		if err := r.tx.settle(ctx); err != nil {
			return err
		}
		good = good[len(slice):]
		next := good[:min(sliceRows, len(good))]
		ahead, err := r.ask(ctx, next)
		if err != nil {
			return err
		}
		if err := r.slice(ctx, slice, stored); err != nil {
			return err
		}
		slice, stored = next, ahead
	}
	return nil
}

// ask asks for what the store may hold of rows.
func (r *replacement) ask(ctx context.Context, rows []rowChange) (*readAhead, error) {
	held, at := r.memory.mayHold(rows)
	ahead := &readAhead{rows: held, at: at}
	if len(held) == 0 {
		return ahead, nil
	}
	return ahead, r.tx.readAhead(ctx, ahead)
}

// slice replaces the contributions of rows, of which so much is stored.
func (r *replacement) slice(ctx context.Context, rows []rowChange, stored *readAhead) error {
	r.seen, r.first = r.seen[:0], r.first[:0]
	for i := range rows {
		r.first = append(r.first, int32(len(r.seen))) //nolint:gosec // fits in memory many times
		for range rows[i].good.Contributions {
			r.seen = append(r.seen, false)
		}
	}
	r.changes.reset()
	for i := range stored.legs {
		at := stored.legs[i].row
		if stored.at != nil {
			at = int(stored.at[at])
		}
		if err := r.compare(&rows[at], int(r.first[at]), &stored.legs[i].storedLeg); err != nil {
			return err
		}
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
		return r.change(row, c, s)
	}
	gone := s.Contribution
	r.changes.deletes = append(r.changes.deletes, contributionWrite{rowRef: row.rowRef, Contribution: &gone, place: s.place, cause: row.goodCause})
	return r.withdraw(row, s)
}

// change puts c in the place of s, which differs.
func (r *replacement) change(row *rowChange, c *inventory.Contribution, s *storedLeg) error {
	write := contributionWrite{rowRef: row.rowRef, Contribution: c, place: s.place, cause: row.goodCause}
	if c.SKU == s.SKU && c.Location == s.Location && c.Valid == s.Valid {
		r.changes.updates = append(r.changes.updates, write)
		if !s.counts() {
			return nil
		}
		return r.deltas.add(row.feed, c, c.Quantities.Minus(s.Quantities), 0, row.goodCause)
	}
	counts := true
	if c.Valid.IsZero() && s.Valid.IsZero() {
		r.changes.moves = append(r.changes.moves, write)
	} else {
		counts, write.due = c.Valid.At(r.now)
		r.noteDue(write.due)
		r.changes.timedMoves = append(r.changes.timedMoves, write)
	}
	if err := r.withdraw(row, s); err != nil || !counts {
		return err
	}
	return r.deltas.add(row.feed, c, c.Quantities, 1, row.goodCause)
}

func (r *replacement) noteDue(due inventory.Moment) {
	if !due.IsZero() && (r.due.IsZero() || due.Compare(r.due) < 0) {
		r.due = due
	}
}

// withdraw takes s out of its cell, if it is in it.
func (r *replacement) withdraw(row *rowChange, s *storedLeg) error {
	if !s.counts() {
		return nil
	}
	return r.deltas.add(row.feed, &s.Contribution, inventory.Quantities{}.Minus(s.Quantities), -1, row.goodCause)
}

// insertUnseen adds the contributions whose legs the store does not have.
func (r *replacement) insertUnseen(row *rowChange, first int) error {
	for j := range row.good.Contributions {
		if r.seen[first+j] {
			continue
		}
		c := &row.good.Contributions[j]
		write := contributionWrite{rowRef: row.rowRef, Contribution: c, cause: row.goodCause}
		if c.Valid.IsZero() {
			r.changes.inserts = append(r.changes.inserts, write)
		} else {
			var counts bool
			counts, write.due = c.Valid.At(r.now)
			r.noteDue(write.due)
			if r.changes.timedInserts = append(r.changes.timedInserts, write); !counts {
				continue
			}
		}
		if err := r.deltas.add(row.feed, c, c.Quantities, 1, row.goodCause); err != nil {
			return err
		}
	}
	return nil
}
