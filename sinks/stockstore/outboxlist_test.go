package stockstore_test

import (
	"database/sql"
	"testing"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/sinks/stockstore"
)

// TestOutboxOfManyCells changes the same 3,000 cells five times before anything
// is published: they are published about once, and an outbox row is there until
// all its cells were.
func TestOutboxOfManyCells(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s, err := stockstore.Open(t.Context(), cfg, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		w := &benchWriter{store: s, at: inventory.Position{Run: 1}}
		for range 5 {
			w.apply(t, 3_000, func(i int) int { return i })
		}
		p := &pages{t: t, db: db, store: s, levels: make(map[inventory.Cell]string)}
		p.begin()
		p.publish() // a page of two outbox rows
		p.wantOutbox(13)
		w.apply(t, 3_000, func(i int) int { return i })
		// A part of the cells of all other rows is read, and never published.
		if lost, err := s.Pending(t.Context(), p.session); err != nil || len(lost.Levels) != 2_000 {
			t.Fatalf("%d levels and %v, want 2,000", len(lost.Levels), err)
		}
		p.begin()
		p.publish()
		p.publish() // a part again
		p.wantOutbox(14)
		for p.publish() {
		}
		p.wantOutbox(0)
		p.wantLevels(3_000)
		if p.published > 10_000 {
			t.Errorf("%d levels published of 3,000 cells and 18,000 changes", p.published)
		}
	})
}

// pages publishes what a store has to publish, page by page.
type pages struct {
	t         *testing.T
	db        *sql.DB
	store     *stockstore.Store
	session   uint64
	place     connector.Place
	levels    map[inventory.Cell]string // on hand
	published int
}

// begin begins a session.
func (p *pages) begin() {
	p.t.Helper()
	start := connector.SessionStart{Expect: p.session, Session: p.session + 1, Place: p.place}
	start.Place.Stream = "levels"
	if err := p.store.BeginSession(p.t.Context(), start); err != nil {
		p.t.Fatal(err)
	}
	p.session, p.place = start.Session, start.Place
}

// publish publishes a page, and reports whether there was one.
func (p *pages) publish() bool {
	p.t.Helper()
	pending, err := p.store.Pending(p.t.Context(), p.session)
	if err != nil {
		p.t.Fatal(err)
	}
	if pending.Done == nil {
		return false
	}
	for i := range pending.Levels {
		l := &pending.Levels[i]
		p.levels[l.Cell] = l.Quantities[inventory.OnHand].String()
	}
	p.published += len(pending.Levels)
	p.place.Session = p.session
	p.place.Sequence += uint64(len(pending.Levels))
	if err := p.store.Published(p.t.Context(), p.session, p.place, []any{pending.Done}); err != nil {
		p.t.Fatal(err)
	}
	return true
}

func (p *pages) wantOutbox(want int) {
	p.t.Helper()
	var got int
	if err := p.db.QueryRowContext(p.t.Context(), `select count(*) from outbox`).Scan(&got); err != nil {
		p.t.Fatal(err)
	}
	if got != want {
		p.t.Fatalf("%d outbox rows, want %d", got, want)
	}
}

// wantLevels compares what was published last with the store.
func (p *pages) wantLevels(want int) {
	p.t.Helper()
	rows, err := p.db.QueryContext(p.t.Context(), `select sku, location, on_hand from stock_level`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var cell inventory.Cell
		var onHand string
		if err := rows.Scan((*string)(&cell.SKU), (*string)(&cell.Location), &onHand); err != nil {
			p.t.Fatal(err)
		}
		if p.levels[cell] != onHand {
			p.t.Fatalf("level of %v was published as %q, and is %s", cell, p.levels[cell], onHand)
		}
	}
	if err := rows.Err(); err != nil || n != want || len(p.levels) != want {
		p.t.Errorf("%d cells stored, %d published, want %d (%v)", n, len(p.levels), want, err)
	}
}

// TestFreshCellsPassABacklog: what a source without a backlog changed is published
// between the pages of another's.
func TestFreshCellsPassABacklog(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s, err := stockstore.Open(t.Context(), cfg, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		slow := &benchWriter{store: s, at: inventory.Position{Run: 1}, more: true}
		live := &benchWriter{store: s, at: inventory.Position{Run: 1}, source: "live"}
		for range 3 {
			slow.apply(t, 6_000, func(i int) int { return i })
		}
		p := &pages{t: t, db: db, store: s, levels: make(map[inventory.Cell]string)}
		p.begin()
		p.publish() // full: there is a backlog
		p.publish() // a part of its cells
		live.apply(t, 1, func(int) int { return 90_000 })
		before := p.published
		p.publish()
		if got := p.levels[inventory.Cell{SKU: "BRK-090000", Location: "DC0"}]; got == "" || p.published != before+1 {
			t.Errorf("published %d cells, and %q of the live source", p.published-before, got)
		}
		for p.publish() {
		}
		p.wantOutbox(0)
		p.wantLevels(6_001)
	})
}
