package stockstore

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

// A walk publishes the cells of the store in the order of their keys: all of
// them, or after a flip those that differ between a feed and its successor. Its
// place among the cells is kept in its outbox row, so it survives restarts; a
// page read twice is published twice, which is harmless.

// Kinds of walks, as outbox.walk has them.
const (
	walkAll  = "all"
	walkFlip = "flip"
)

const (
	// walkRows bounds the rows of cell that one page of a walk reads.
	walkRows = 2_000
	// walkPages bounds the pages that one Pending reads while none has a level.
	walkPages = 8
)

// walkStep is how far a walk has come.
type walkStep struct {
	id     int64
	cursor inventory.Cell
	// end says that no cell follows.
	end bool
}

// keep stores the step, or removes the walk when it has ended.
func (w *walkStep) keep(ctx context.Context, tx transaction) error {
	var err error
	if w.end {
		_, err = tx.exec(ctx, `delete from outbox where id = $1`, w.id)
	} else {
		_, err = tx.exec(ctx, `update outbox set cursor_sku = $2, cursor_location = $3 where id = $1`,
			w.id, string(w.cursor.SKU), string(w.cursor.Location))
	}
	return err
}

// startWalk begins a walk over everything, in place of those that are under way: it
// publishes whatever they would.
func startWalk(ctx context.Context, tx transaction) error {
	if _, err := tx.exec(ctx, `delete from outbox where walk is not null`); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `insert into outbox (walk) values ('all')`)
	return err
}

// Rebuild asks for every level to be published anew. It returns before the relay
// has done it.
func (s *Store) Rebuild(ctx context.Context) error {
	err := s.db.write(ctx, durable, func(tx transaction) error { return startWalk(ctx, tx) })
	if err != nil {
		return fmt.Errorf("start walk over all levels: %w", err)
	}
	s.signal()
	return nil
}

// walk is a row of outbox.
type walk struct {
	walkStep
	kind             string
	oldFeed, newFeed int32
}

// pendingWalk reads the next stretch of the oldest walk that has one.
func (s *Store) pendingWalk(ctx context.Context, session uint64) (connector.Pending, error) {
	w, err := s.nextWalk(ctx, session)
	if err != nil || w == nil {
		return connector.Pending{}, err
	}
	var levels []inventory.Level
	for page := 0; page < walkPages && len(levels) == 0 && !w.end; page++ {
		if levels, err = s.walkPage(ctx, w); err != nil {
			return connector.Pending{}, fmt.Errorf("walk over levels after %s at %s: %w", w.cursor.SKU, w.cursor.Location, err)
		}
	}
	failpoint.Hit("relay.read")
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.walks[w.id] = w.walkStep
	step := w.walkStep
	return connector.Pending{Levels: levels, More: true, Done: done{walk: &step}}, nil
}

// nextWalk returns the oldest walk of which something is left to read, at the
// place up to which this session has read it; nil if there is none.
func (s *Store) nextWalk(ctx context.Context, session uint64) (*walk, error) {
	var walks []walk
	held := session
	err := s.db.read(ctx, func(r reader) error {
		return r.query(ctx, func(scan scanFunc) error {
			var w walk
			err := scan(&held, &w.id, &w.kind, &w.oldFeed, &w.newFeed, (*string)(&w.cursor.SKU), (*string)(&w.cursor.Location))
			walks = append(walks, w)
			return err
		}, `select (select session from store_meta), id, walk, coalesce(old_feed, 0), coalesce(new_feed, 0), cursor_sku, cursor_location
			from outbox where walk is not null order by id`)
	})
	if err != nil {
		return nil, fmt.Errorf("read walks of stock store: %w", err)
	}
	if held != session {
		return nil, staleSession(session, held)
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	for i := range walks {
		if step, ok := s.relay.walks[walks[i].id]; ok {
			walks[i].walkStep = step
		}
		if !walks[i].end {
			return &walks[i], nil
		}
	}
	return nil, nil
}

// walkPage reads the cells after w's cursor, moves it and returns the levels to publish.
func (s *Store) walkPage(ctx context.Context, w *walk) ([]inventory.Level, error) {
	var rows levelRows
	limit := walkRows
	for {
		var err error
		if rows, err = s.readCells(ctx, w.cursor, limit); err != nil {
			return nil, err
		}
		if len(rows) < limit {
			w.end = true
			break
		}
		// The last cell may have more rows than were read: leave it to the next page.
		last := rows[len(rows)-1].Cell
		for len(rows) > 0 && rows[len(rows)-1].Cell == last {
			rows = rows[:len(rows)-1]
		}
		if len(rows) > 0 {
			break
		}
		limit *= 2
	}
	var levels []inventory.Level
	now := time.Now()
	rows.eachCell(func(cell levelRows) {
		w.cursor = cell[0].Cell
		if w.kind == walkFlip && !cell.differ(w.oldFeed, w.newFeed) {
			return
		}
		l := cell.level(now)
		l.Source, l.Transaction, l.CommittedAt = "", "", time.Time{}
		levels = append(levels, l)
	})
	return levels, nil
}

// readCells reads up to limit rows of cells after a cell, in the order of their keys.
func (s *Store) readCells(ctx context.Context, after inventory.Cell, limit int) (levelRows, error) {
	rows := make(levelRows, 0, limit)
	err := s.db.read(ctx, func(r reader) error {
		return r.query(ctx, func(scan scanFunc) error {
			var row levelRow
			err := row.scan(scan)
			rows = append(rows, row)
			return err
		}, `select `+levelRowColumns+` from cell c join feed f on f.id = c.feed
			where (c.sku, c.location) > ($1, $2) order by c.sku, c.location, c.feed limit $3`,
			string(after.SKU), string(after.Location), limit)
	})
	return rows, err
}

// differ reports whether two feeds, the one in the other's place, give a cell
// different numbers, or one of them none at all.
func (rows levelRows) differ(oldFeed, newFeed int32) bool {
	var before, after levelRow
	for i := range rows {
		switch rows[i].feed {
		case oldFeed:
			before = rows[i]
		case newFeed:
			after = rows[i]
		}
	}
	return before.quantities != after.quantities || (before.contributions == 0) != (after.contributions == 0)
}
