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
	var applied connector.Applied
	err := s.db.write(ctx, durable, func(tx transaction) error {
		var err error
		applied, err = s.applyBatch(ctx, tx, b)
		if err != nil {
			return err
		}
		if err := tx.flush(ctx); err != nil {
			return err
		}
		failpoint.Hit("store.applied")
		return nil
	})
	if err != nil {
		if s.isDataError(err) {
			err = s.nameRow(ctx, b, err)
		}
		return connector.Applied{}, err
	}
	failpoint.Hit("store.committed")
	s.metrics.applied(b, applied, time.Since(start))
	if applied.Cells > 0 {
		s.signal()
	}
	return applied, nil
}

// applyBatch does everything that Apply does between begin and commit.
func (s *Store) applyBatch(ctx context.Context, tx transaction, b connector.Batch) (connector.Applied, error) {
	locked, err := tx.lockSource(ctx, b.Source)
	if err != nil {
		return connector.Applied{}, fmt.Errorf("lock state of source %s: %w", b.Source, err)
	}
	failpoint.Hit("store.locked")
	if err := checkFence(locked, b); err != nil {
		return connector.Applied{}, err
	}
	book := &feedBook{tx: tx, source: b.Source, feeds: locked.feeds}
	f, err := book.gather(ctx, b.Messages)
	if err != nil {
		return connector.Applied{}, err
	}
	applied, err := s.applyRows(ctx, tx, book, f)
	if err != nil {
		return connector.Applied{}, err
	}
	_, err = tx.exec(ctx, `update source_state set log_id = $2, run = $3, number = $4, worker = $5 where source = $1`,
		b.Source, b.LogID, int64(b.Position.Run), int64(b.Position.Number), s.worker) //nolint:gosec // positions have 15 and 12 digits
	if err != nil {
		return connector.Applied{}, fmt.Errorf("move position of source %s: %w", b.Source, err)
	}
	return applied, nil
}

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

// applyRows writes what a folded batch says: contributions, cells, problems, outbox.
func (s *Store) applyRows(ctx context.Context, tx transaction, book *feedBook, f *fold) (connector.Applied, error) {
	f.sort()
	r := &replacement{tx: tx, causes: f.causes, deltas: newDeltas(len(f.rows))}
	if err := r.apply(ctx, f.rows); err != nil {
		return connector.Applied{}, fmt.Errorf("replace contributions: %w", err)
	}
	if err := applyProblems(ctx, tx, book, f); err != nil {
		return connector.Applied{}, err
	}
	cells := r.deltas.changed()
	if err := addCells(ctx, tx, cells, f.causes); err != nil {
		return connector.Applied{}, err
	}
	return connector.Applied{Events: f.events, Contributions: r.written, Cells: len(cells)}, nil
}

// addCells adds the differences to the cells and lists them in the outbox.
func addCells(ctx context.Context, tx transaction, cells []cellDelta, causes []cause) error {
	now := time.Now().UnixMicro()
	for rest := cells; len(rest) > 0; {
		n := min(len(rest), sliceRows)
		if err := tx.addToCells(ctx, rest[:n], causes, now); err != nil {
			return fmt.Errorf("add to cells: %w", err)
		}
		rest = rest[n:]
	}
	listed := make([]inventory.Cell, 0, min(len(cells), outboxCells))
	for i := range cells {
		listed = append(listed, cells[i].Cell)
		if len(listed) == outboxCells || i == len(cells)-1 {
			if err := tx.listCells(ctx, listed); err != nil {
				return fmt.Errorf("list changed cells: %w", err)
			}
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
