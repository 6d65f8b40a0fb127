package stockstore

import (
	"context"
	"fmt"
	"sync"

	"tailstock/connector/inventory"
)

// sweepRows bounds what one Sweep deletes from a table, so that nobody waits for it.
const sweepRows = 2_000

// sweeper remembers how far the cells of a dropped feed were looked through. It
// is a hint: after a restart the search begins anew.
type sweeper struct {
	mu     sync.Mutex
	feed   int32
	cursor inventory.Cell
}

// Sweep deletes a bounded number of rows of a feed that was dropped and that no
// walk needs any more, and reports whether there is more to delete. It may run
// beside everything else. It is meant to be called now and then, and again at
// once while it reports more.
func (s *Store) Sweep(ctx context.Context) (more bool, err error) {
	s.sweep.mu.Lock()
	defer s.sweep.mu.Unlock()
	feed, err := s.sweepable(ctx)
	if err != nil || feed == 0 {
		return false, err
	}
	if s.sweep.feed != feed {
		s.sweep.feed, s.sweep.cursor = feed, inventory.Cell{}
	}
	cursor := s.sweep.cursor
	err = s.db.write(ctx, lazy, func(tx transaction) error {
		cursor, err = s.sweepFeed(ctx, tx, feed, cursor)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sweep dropped feed %d: %w", feed, err)
	}
	s.sweep.cursor = cursor
	return true, nil
}

// sweepable returns a dropped feed that no walk names, 0 if there is none. A
// walk over everything names every feed.
func (s *Store) sweepable(ctx context.Context) (int32, error) {
	var feed int32
	err := s.db.read(ctx, func(r reader) error {
		return r.query(ctx, func(scan scanFunc) error { return scan(&feed) },
			`select f.id from feed f where f.state = 'dropped' and not exists (
				select 1 from outbox o where o.walk is not null
				and (o.walk = 'all' or o.old_feed = f.id or o.new_feed = f.id)
			) order by f.id limit 1`)
	})
	if err != nil {
		return 0, fmt.Errorf("look for dropped feeds: %w", err)
	}
	return feed, nil
}

// sweepFeed deletes rows of one table of the feed: contributions, then problems,
// then the cells after cursor, then the feed itself. It returns the new cursor.
func (s *Store) sweepFeed(ctx context.Context, tx transaction, feed int32, cursor inventory.Cell) (inventory.Cell, error) {
	for _, sql := range []string{
		`delete from contribution where feed = $1 and (row_key, leg) in
			(select row_key, leg from contribution where feed = $1 order by row_key, leg limit $2)`,
		`delete from problem where feed = $1 and row_key in
			(select row_key from problem where feed = $1 order by row_key limit $2)`,
	} {
		n, err := tx.exec(ctx, sql, feed, sweepRows)
		if err != nil || n > 0 {
			s.metrics.swept.Add(float64(n))
			return cursor, err
		}
	}
	last, n, err := lastCell(ctx, tx, cursor)
	if err != nil {
		return cursor, err
	}
	if n == 0 {
		_, err := tx.exec(ctx, `delete from feed where id = $1`, feed)
		return cursor, err
	}
	deleted, err := tx.exec(ctx, `delete from cell where feed = $1 and (sku, location) > ($2, $3) and (sku, location) <= ($4, $5)`,
		feed, string(cursor.SKU), string(cursor.Location), string(last.SKU), string(last.Location))
	s.metrics.swept.Add(float64(deleted))
	return last, err
}

// lastCell returns the last of the next sweepRows rows of cell after a cell, and
// how many there are.
func lastCell(ctx context.Context, r reader, after inventory.Cell) (last inventory.Cell, n int, err error) {
	err = r.query(ctx, func(scan scanFunc) error {
		n++
		return scan((*string)(&last.SKU), (*string)(&last.Location))
	}, `select sku, location from cell where (sku, location) > ($1, $2) order by sku, location, feed limit $3`,
		string(after.SKU), string(after.Location), sweepRows)
	return last, n, err
}
