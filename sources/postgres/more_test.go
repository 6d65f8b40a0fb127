package postgres_test

import (
	"context"
	"errors"
	"testing"

	"tailstock/connector/cdc"
)

// TestMoreIsAtHand reads a backlog: transactions that came together say that more
// are at hand, and the last one does not.
func TestMoreIsAtHand(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int)`, "stock")
	s := db.source(db.config(), "public.stock")
	first := tail(t, s, "").started()
	first.stop()
	const commits = 500
	db.exec(`DO $$ BEGIN FOR i IN 1..500 LOOP INSERT INTO stock VALUES (i, i); COMMIT; END LOOP; END $$`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	enough := errors.New("enough")
	taken, more := 0, 0
	err := s.Tail(ctx, first.token(), func(_ context.Context, tx *cdc.Transaction) error {
		if !tx.Progress() {
			taken++
		}
		if tx.More {
			more++
		} else if taken == commits {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("Tail ended with %v after %d transactions, and none of them was the last at hand", err, taken)
	}
	if more < commits/2 {
		t.Errorf("%d of %d transactions of a backlog say that more is at hand", more, commits)
	}
}
