package stockstore_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/sinks/sinktest"
	"tailstock/sinks/stockstore"
)

// loadedLog writes the log of a load of a table, and knows what the rows state.
type loadedLog struct {
	*comparedLog
	load inventory.Position
	rows map[int]inventory.Event
}

func newLoadedLog(t testing.TB, s *stockstore.Store) *loadedLog {
	l := &loadedLog{comparedLog: &comparedLog{t: t, s: s, next: inventory.Position{Run: 1, Number: 1}}, rows: make(map[int]inventory.Event)}
	l.load = l.next
	l.apply(inventory.Message{LoadStarted: &inventory.LoadStarted{Feeds: []inventory.FeedName{comparedFeed}, Stores: []string{s.ID()}}})
	return l
}

// read applies rows that were read, from one number up to before another.
func (l *loadedLog) read(from, to, units int) {
	l.t.Helper()
	var events []inventory.Event
	for row := from; row < to; row++ {
		e := comparedEvent(cdc.OpRead, row, fmt.Sprint("sku-", row/2), units)
		// What is there already under another leg would not be in the way.
		e.Contributions[0].Leg = fmt.Sprint("leg", units)
		l.rows[row] = e
		events = append(events, e)
	}
	l.apply(inventory.Message{Commits: []inventory.Commit{{
		Transaction: "load", CommittedAt: time.Now(), Load: l.load, Events: events, Last: true,
	}}})
}

// change applies a change from the stream, which puts a row into another cell.
func (l *loadedLog) change(row, units int) {
	l.t.Helper()
	l.rows[row] = comparedEvent(cdc.OpUpdate, row, fmt.Sprint("other-", row), units)
	l.commit("", l.rows[row])
}

// complete ends the load, and compares every row and every level with what it should be.
func (l *loadedLog) complete() {
	l.t.Helper()
	l.apply(inventory.Message{LoadCompleted: &inventory.LoadCompleted{Load: l.load}})
	var events []inventory.Event
	for _, e := range l.rows {
		e.Op = cdc.OpRead
		events = append(events, e)
	}
	applied := l.apply(inventory.Message{Commits: []inventory.Commit{{
		Transaction: "verify", CommittedAt: time.Now(), Events: events, Last: true, Compare: "v",
	}}})
	if len(applied.Compared) != 1 || applied.Compared[0].Equal != int64(len(l.rows)) {
		l.t.Errorf("compared %+v, want %d equal rows", applied.Compared, len(l.rows))
	}
	checked, err := l.s.CheckLevels(l.t.Context(), "wms", false, func(d stockstore.CellDrift) error {
		l.t.Errorf("cell %+v is wrong", d)
		return nil
	})
	if err != nil || checked.Drifted > 0 {
		l.t.Errorf("checked levels: %+v, %v", checked, err)
	}
}

// TestLoadedTwice loads rows of which some are there already: changed by the stream
// before they were read, or read again after a crash.
func TestLoadedTwice(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ sinktest.StoreDatabase, s *stockstore.Store) {
		l := newLoadedLog(t, s)
		for row := range 40 {
			l.change(row*37, 7)
		}
		l.read(0, 1_000, 1)
		l.read(1_000, 2_000, 1)
		l.read(1_000, 2_000, 2)
		l.change(1_500, 9)
		l.read(1_400, 2_500, 3)
		l.complete()
	})
}

// TestLoadOfAnotherWorker goes on with a load of which another process has applied
// a part meanwhile, which this one remembers nothing of.
func TestLoadOfAnotherWorker(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, d sinktest.StoreDatabase, s *stockstore.Store) {
		l := newLoadedLog(t, s)
		l.read(0, 500, 1)
		other := d.Open(t).(*stockstore.Store)
		l.s = other
		l.read(500, 1_500, 1)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		l.s = s
		l.read(400, 2_000, 2)
		l.complete()
	})
}

// TestLoadBesideTruncate empties the table, and its loading feed, in the middle of a load.
func TestLoadBesideTruncate(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ sinktest.StoreDatabase, s *stockstore.Store) {
		l := newLoadedLog(t, s)
		l.read(0, 800, 1)
		l.commit("", inventory.Event{Op: cdc.OpTruncate, Table: comparedTable, Mapping: comparedMapping})
		clear(l.rows)
		l.read(300, 1_000, 2)
		l.read(900, 1_400, 3)
		l.complete()
	})
}

// TestLoadIntoForeignRows goes on where something else wrote what was taken for new.
func TestLoadIntoForeignRows(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s, err := stockstore.Open(t.Context(), cfg, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l := newLoadedLog(t, s)
		l.read(0, 500, 1)
		mustExec(t, db, `insert into contribution (feed, row_key, leg, sku, location, on_hand, committed, unavailable,
			safety_stock, incoming, run, number, committed_at, transaction_id) select feed, '[700]', leg, sku, location, on_hand, committed, unavailable,
			safety_stock, incoming, run, number, committed_at, transaction_id from contribution where row_key = '[7]'`)
		mustExec(t, db, `update cell set on_hand = on_hand + 1000000, contributions = contributions + 1 where sku = 'sku-3'`)
		l.read(500, 1_000, 1)
		l.complete()
	})
}

// TestLoadAtRandom mixes chunks, chunks read again and changes, with restarts.
func TestLoadAtRandom(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, d sinktest.StoreDatabase, s *stockstore.Store) {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		l := newLoadedLog(t, s)
		for step, next := 0, 0; step < 60; step++ {
			switch n := rng.IntN(10); {
			case n < 4:
				size := 1 + rng.IntN(600)
				l.read(next, next+size, step)
				next += size
			case n < 5:
				from := rng.IntN(next + 1)
				l.read(from, from+1+rng.IntN(600), step)
			case n < 9:
				l.change(rng.IntN(next+1_000), step)
			default:
				again := d.Open(t).(*stockstore.Store)
				t.Cleanup(func() { _ = again.Close() })
				l.s = again
			}
		}
		l.complete()
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
}

// TestFirstLoadIsPublishedOnce begins the first session after a load: the walk over
// everything takes the place of that over what the load changed.
func TestFirstLoadIsPublishedOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ sinktest.StoreDatabase, s *stockstore.Store) {
		l := newLoadedLog(t, s)
		l.read(0, 1_000, 1) // two rows a cell
		l.apply(inventory.Message{LoadCompleted: &inventory.LoadCompleted{Load: l.load}})
		place := connector.Place{Stream: "levels"}
		if err := s.BeginSession(t.Context(), connector.SessionStart{Session: 1, Place: place, Walk: true}); err != nil {
			t.Fatal(err)
		}
		for {
			p, err := s.Pending(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if p.Done == nil {
				break
			}
			place.Session = 1
			place.Sequence += uint64(len(p.Levels))
			if err := s.Published(t.Context(), 1, place, []any{p.Done}); err != nil {
				t.Fatal(err)
			}
		}
		if place.Sequence != 500 {
			t.Errorf("published %d levels of 500 cells", place.Sequence)
		}
	})
}
