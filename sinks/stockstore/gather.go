package stockstore

import (
	"context"
	"errors"
	"fmt"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// batchWriter writes what the messages of a batch say, folded per row, while
// feeds come and go.
type batchWriter struct {
	tx   transaction
	book *feedBook
	fold *fold
	// limit is how many folded rows may still be written, for a trial that looks for
	// the row which the database refuses; negative means all.
	limit int
	last  *DataError
	// listed are the outbox rows that were made, once they are.
	listed []int64
	// ahead may have what the first rows to be written need, nil if nothing was read ahead.
	ahead   *readAhead
	applied connector.Applied
	// compared are rows that wait to be compared with what is written.
	compared comparison
	censuses *censuses
	// now is when the batch is applied, by which it is judged what counts.
	now inventory.Moment
}

// errLimit ends a trial that has written as many rows as it may.
var errLimit = errors.New("limit of the trial")

// write takes every message in order.
func (w *batchWriter) write(ctx context.Context, messages []connector.LogMessage) error {
	w.fold = newFold(eventCount(messages))
	for i := range messages {
		m := &messages[i]
		if err := w.control(ctx, m); err != nil {
			return err
		}
		for j := range m.Commits {
			if err := w.take(ctx, m.Position, &m.Commits[j]); err != nil {
				return err
			}
		}
	}
	if err := w.compare(ctx); err != nil {
		return err
	}
	return w.flush(ctx)
}

// take takes a commit. Rows are compared when all that stands before them is
// written, and nothing that stands behind them.
func (w *batchWriter) take(ctx context.Context, at inventory.Position, c *inventory.Commit) error {
	if c.Compare != "" {
		if waiting := w.compared.rows; len(waiting) > 0 && waiting[0].from.Compare != c.Compare {
			if err := w.compare(ctx); err != nil {
				return err
			}
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		w.gather(at, c)
		return nil
	}
	if err := w.compare(ctx); err != nil {
		return err
	}
	w.fold.begin(at, c)
	return w.commit(ctx, c)
}

// control does what a control event says about feeds.
func (w *batchWriter) control(ctx context.Context, m *connector.LogMessage) error {
	if m.Commits == nil && m.Chunk == nil {
		if err := w.compare(ctx); err != nil {
			return err
		}
	}
	switch {
	case m.Feeds != nil:
		return w.book.list(ctx, m.Feeds)
	case m.LoadStarted != nil:
		return w.book.startLoad(ctx, m.Position, m.LoadStarted)
	case m.LoadCompleted != nil:
		// What stands before the flip is written before it.
		if err := w.flush(ctx); err != nil {
			return err
		}
		return w.book.completeLoad(ctx, m.LoadCompleted.Load)
	case m.SourceGap != nil:
		return w.book.miss(ctx, func(*feed) bool { return true })
	}
	return nil
}

func (w *batchWriter) commit(ctx context.Context, c *inventory.Commit) error {
	var name inventory.FeedName // of the event before: events of a table come in stretches
	var takers []*feed
	for i := range c.Events {
		e := &c.Events[i]
		if own := (inventory.FeedName{Table: e.Table, Mapping: e.Mapping}); i == 0 || own != name {
			name, takers = own, w.book.takers(own, c.Load)
		}
		w.fold.events++
		for _, f := range takers {
			if e.Op != cdc.OpTruncate {
				w.fold.add(f.id, e)
				f.problems = f.problems || e.Problem != nil
				continue
			}
			w.fold.truncate(f.id)
			if err := w.book.truncate(ctx, f); err != nil {
				return err
			}
		}
		if e.Op == cdc.OpTruncate {
			takers = w.book.takers(name, c.Load)
		}
	}
	return nil
}

// flush writes what was gathered so far.
func (w *batchWriter) flush(ctx context.Context) error {
	f := w.fold
	if len(f.causes) == 0 {
		return nil
	}
	w.fold = newFold(0)
	w.applied.Events += f.events
	f.sort()
	limited := false
	if w.limit >= 0 {
		limited = len(f.rows) >= w.limit
		f.rows = f.rows[:min(w.limit, len(f.rows))]
		w.limit -= len(f.rows)
		if len(f.rows) > 0 {
			w.last = dataErrorOf(w.book.source, f, &f.rows[len(f.rows)-1])
		}
	}
	if err := w.rows(ctx, f); err != nil {
		return err
	}
	if limited {
		return errLimit
	}
	return nil
}

// rows writes what a fold says: contributions, cells, problems, outbox.
func (w *batchWriter) rows(ctx context.Context, f *fold) error {
	r := &replacement{tx: w.tx, causes: f.causes, deltas: newDeltas(len(f.rows)), ahead: w.ahead, memory: w.book.memory, now: w.now}
	w.ahead = nil // what is written from here on was not there yet
	if err := r.apply(ctx, f.rows); err != nil {
		return fmt.Errorf("replace contributions: %w", err)
	}
	if err := applyProblems(ctx, w.tx, w.book, f); err != nil {
		return err
	}
	cells := r.deltas.changed()
	if err := w.addCells(ctx, cells, f.causes); err != nil {
		return err
	}
	w.applied.Contributions += r.written
	if !r.due.IsZero() && (w.applied.Due.IsZero() || r.due.Compare(w.applied.Due) < 0) {
		w.applied.Due = r.due
	}
	return nil
}

func eventCount(messages []connector.LogMessage) int {
	n := 0
	for i := range messages {
		for j := range messages[i].Commits {
			n += len(messages[i].Commits[j].Events)
		}
	}
	return n
}
