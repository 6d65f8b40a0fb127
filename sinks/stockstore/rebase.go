package stockstore

import (
	"context"
	"fmt"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// Rebase implements connector.Store.
func (s *Store) Rebase(ctx context.Context, r connector.Rebase) ([]connector.FeedReport, error) {
	var feeds []connector.FeedReport
	err := s.db.write(ctx, durable, func(tx transaction) error {
		locked, err := tx.lockSource(ctx, r.Source, nil)
		if err != nil {
			return err
		}
		switch {
		case locked.schema > schemaVersion:
			return &SchemaError{Store: locked.schema, Known: schemaVersion}
		case locked.position != r.Expect, locked.logID != r.ExpectLog:
			return fmt.Errorf("the store is at %s of log %q, not at %s of log %q: %w",
				locked.position, locked.logID, r.Expect, r.ExpectLog, connector.ErrFenced)
		}
		book := &feedBook{tx: tx, store: s.id, source: r.Source, feeds: locked.feeds}
		if err := book.miss(ctx, func(*feed) bool { return true }); err != nil {
			return err
		}
		feeds = book.reports()
		return tx.movePosition(ctx, r.Source, r.LogID, r.Position, s.worker)
	})
	if err != nil {
		return nil, fmt.Errorf("set source %s to %s of its log: %w", r.Source, textOf(r.Position), err)
	}
	return feeds, nil
}

func textOf(p inventory.Position) string {
	if p.IsZero() {
		return "the beginning"
	}
	return p.String()
}
