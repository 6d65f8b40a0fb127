package stockstore

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

// outboxCells is the most cells that one outbox row lists.
const outboxCells = 1_000

// Apply implements connector.Store. A batch takes memory in proportion to its
// rows, beside its messages. It fails with *SchemaError if a newer version has
// migrated the store, and with *DataError if the database refuses a row.
func (s *Store) Apply(ctx context.Context, b connector.Batch) (connector.Applied, error) {
	start := time.Now()
	w, err := s.commitBatch(ctx, b)
	if err != nil && s.isDataError(err) && s.loads.forget(b.Source) {
		// Something else wrote what was taken for new.
		w, err = s.commitBatch(ctx, b)
	}
	if err != nil {
		if s.isDataError(err) {
			err = s.nameRow(ctx, b, err)
		}
		return connector.Applied{}, err
	}
	failpoint.Hit("store.committed")
	s.loads.moved(b.Source, w.book.memory, b.LogID, b.Position)
	s.metrics.applied(b, w.applied, time.Since(start))
	s.backlog.note(b.Source, b.More, w.listed)
	s.lastFeeds.note(b.Source, w.book.feeds)
	if w.applied.Cells > 0 || w.book.flipped {
		s.signal()
	}
	if w.book.changed {
		w.applied.Feeds = w.book.reports()
	}
	return w.applied, nil
}

// commitBatch applies b in a transaction.
func (s *Store) commitBatch(ctx context.Context, b connector.Batch) (w *batchWriter, err error) {
	err = s.db.write(ctx, durable, func(tx transaction) error {
		var err error
		if w, err = s.applyBatch(ctx, tx, b, -1); err != nil {
			return err
		}
		failpoint.Hit("store.applied")
		return nil
	})
	return w, err
}

// applyBatch does everything that Apply does between begin and commit, up to a
// limit of folded rows if that is not negative.
func (s *Store) applyBatch(ctx context.Context, tx transaction, b connector.Batch, limit int) (*batchWriter, error) {
	var ahead *readAhead
	if limit < 0 {
		ahead = s.lookAhead(ctx, b)
	}
	locked, err := tx.lockSource(ctx, b.Source, ahead)
	if err != nil {
		return nil, fmt.Errorf("lock state of source %s: %w", b.Source, err)
	}
	failpoint.Hit("store.locked")
	if err := checkFence(locked, b); err != nil {
		return nil, err
	}
	w := &batchWriter{tx: tx, limit: limit, ahead: ahead, censuses: &s.censuses, now: inventory.MomentOf(s.now()), book: &feedBook{
		tx: tx, store: s.id, source: b.Source, feeds: locked.feeds,
		memory: s.loads.get(b.Source, locked.logID, locked.position),
	}}
	if err := w.write(ctx, b.Messages); err != nil {
		return w, err
	}
	if err := tx.movePosition(ctx, b.Source, b.LogID, b.Position, s.worker); err != nil {
		return w, fmt.Errorf("move position of source %s: %w", b.Source, err)
	}
	return w, nil
}

// moveSource is what movePosition executes.
const moveSource = `update source_state set log_id = $2, run = $3, number = $4, worker = $5 where source = $1`

// checkFence compares what the store holds with what the worker believes.
func checkFence(locked lockedSource, b connector.Batch) error {
	switch {
	case locked.schema > schemaVersion:
		return &SchemaError{Store: locked.schema, Known: schemaVersion}
	case locked.position != b.Expect, locked.logID != "" && locked.logID != b.LogID, b.LogID == "":
		return fmt.Errorf("source %s: the store is at %s of log %q, the batch follows %s of log %q: %w",
			b.Source, locked.position, locked.logID, b.Expect, b.LogID, connector.ErrFenced)
	case b.Position.Compare(b.Expect) <= 0:
		return fmt.Errorf("source %s: a batch from %s to %s moves nothing: %w", b.Source, b.Expect, b.Position, connector.ErrFenced)
	}
	return nil
}

// addCells adds the differences to the cells, and lists those of feeds that count
// in the outbox: nobody sees the others before a walk publishes them.
func (w *batchWriter) addCells(ctx context.Context, cells []cellDelta, causes []cause) error {
	now := time.Now().UnixMicro()
	held, fresh := w.book.memory.split(cells)
	for ; len(held) > 0; held = held[min(len(held), sliceRows):] {
		if err := w.tx.addToCells(ctx, held[:min(len(held), sliceRows)], causes, now); err != nil {
			return fmt.Errorf("add to cells: %w", err)
		}
	}
	for ; len(fresh) > 0; fresh = fresh[min(len(fresh), sliceRows):] {
		if err := w.tx.addNewCells(ctx, fresh[:min(len(fresh), sliceRows)], causes, now); err != nil {
			return fmt.Errorf("make cells: %w", err)
		}
	}
	loading := make(map[int32]bool)
	for _, f := range w.book.feeds {
		loading[f.id] = f.state == connector.FeedLoading
	}
	listed := make([]inventory.Cell, 0, min(len(cells), outboxCells))
	for i := range cells {
		if !loading[cells[i].feed] {
			listed = append(listed, cells[i].Cell)
		}
		if len(listed) == outboxCells || (i == len(cells)-1 && len(listed) > 0) {
			if err := w.tx.listCells(ctx, listed, func(id int64) { w.listed = append(w.listed, id) }); err != nil {
				return fmt.Errorf("list changed cells: %w", err)
			}
			w.applied.Cells += len(listed)
			listed = make([]inventory.Cell, 0, min(len(cells)-i-1, outboxCells))
		}
	}
	return nil
}

// applyProblems marks the rows whose last event is a problem, and clears the
// marks of those whose last event is good. A feed without problems costs nothing.
func applyProblems(ctx context.Context, tx transaction, book *feedBook, f *fold) error {
	marked := make(map[int32]bool)
	for _, feed := range book.feeds {
		marked[feed.id] = feed.problems
	}
	var marks, clears []rowChange
	for i := range f.rows {
		switch r := f.rows[i]; {
		case r.problem != nil:
			marks = append(marks, r)
		case r.good != nil && marked[r.feed]:
			clears = append(clears, r)
		}
	}
	for ; len(marks) > 0; marks = marks[min(len(marks), sliceRows):] {
		if err := tx.markProblems(ctx, marks[:min(len(marks), sliceRows)], f.causes); err != nil {
			return fmt.Errorf("mark rows with problems: %w", err)
		}
	}
	for ; len(clears) > 0; clears = clears[min(len(clears), sliceRows):] {
		if err := tx.clearProblems(ctx, clears[:min(len(clears), sliceRows)]); err != nil {
			return fmt.Errorf("clear marks of rows: %w", err)
		}
	}
	return nil
}
