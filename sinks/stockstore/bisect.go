package stockstore

import (
	"context"
	"errors"
	"fmt"

	"tailstock/connector"
)

// errUndo ends a transaction that was only tried.
var errUndo = errors.New("undo")

// nameRow finds the row that the database refuses, by trying prefixes of the
// folded batch in transactions that are rolled back. It returns refusal itself if the
// database refuses no longer.
func (s *Store) nameRow(ctx context.Context, b connector.Batch, refusal error) error {
	low, high := 0, eventCount(b.Messages) // low rows pass, high rows do not
	var bad *DataError
	for low < high {
		middle := (low + high) / 2
		last, err := s.try(ctx, b, middle+1)
		switch {
		case err == nil:
			low = middle + 1
		case s.isDataError(err):
			high = middle
			if last != nil {
				bad = last
				bad.Err = err
			}
		default:
			return errors.Join(refusal, fmt.Errorf("look for the refused row: %w", err))
		}
	}
	if bad == nil {
		return refusal
	}
	return bad
}

// try applies the first n folded rows of b and rolls back. It returns the last
// of them if the database refuses any.
func (s *Store) try(ctx context.Context, b connector.Batch, n int) (*DataError, error) {
	var w *batchWriter
	err := s.db.write(ctx, lazy, func(tx transaction) error {
		var err error
		w, err = s.applyBatch(ctx, tx, b, n)
		if err != nil && !errors.Is(err, errLimit) {
			return err
		}
		if err := tx.flush(ctx); err != nil {
			return err
		}
		return errUndo
	})
	switch {
	case errors.Is(err, errUndo):
		return nil, nil
	case w == nil:
		return nil, err
	}
	return w.last, err
}

// dataErrorOf returns a DataError that names r, without a cause.
func dataErrorOf(source string, f *fold, r *rowChange) *DataError {
	e, at := r.good, r.goodCause
	if e == nil {
		e, at = r.problem, r.problemCause
	}
	if e == nil {
		return nil
	}
	return &DataError{Source: source, Table: e.Table, Row: r.row, Position: f.causes[at].position}
}

// isDataError reports whether err blames the data of a batch.
func (s *Store) isDataError(err error) bool {
	return errors.Is(err, errSum) || s.db.isDataError(err)
}
