package connector_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// memStore is a stock store: what a real one keeps in its tables.
type memStore struct {
	t     *testing.T
	chaos *chaos
	world *world
	wake  chan struct{}

	mu    sync.Mutex
	id    string
	state memState
	// read are the outbox rows that the session has read, and placed is the place
	// that it gave last: they die with the process.
	read   map[int]bool
	placed connector.Place
}

type memState struct {
	logID    string
	position inventory.Position
	rebased  inventory.Position // where the store was taken last
	feeds    []*memFeed
	open     openRows
	cells    map[inventory.Cell]memCell
	relay    connector.RelayState
	outbox   map[int][]inventory.Cell
	nextID   int
}

type memRow struct {
	contributions []inventory.Contribution
	problem       bool
	rejected      bool // the problem is a reject
}

type memCell struct {
	quantities    inventory.Quantities
	contributions int
	updated       time.Time
}

func newMemStore(w *world, id string) *memStore {
	return &memStore{
		t: w.t, chaos: w.chaos, world: w, wake: make(chan struct{}, 1), id: id, read: make(map[int]bool), state: newMemState(),
	}
}

func newMemState() memState {
	return memState{cells: make(map[inventory.Cell]memCell), outbox: make(map[int][]inventory.Cell)}
}

// replace makes the store anew, empty, as another one.
func (s *memStore) replace(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.state = id, newMemState()
	clear(s.read)
}

// backup and restore are a store restored from a backup, or a promoted standby
// that lost its last commits.
func (s *memStore) backup() memState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.clone()
}

func (s *memStore) restore(b memState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = b.clone()
	clear(s.read)
}

func (st memState) clone() memState {
	st.feeds, st.cells, st.outbox = st.cloneFeeds(), maps.Clone(st.cells), maps.Clone(st.outbox)
	return st
}

func (s *memStore) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

func (s *memStore) SourceState(context.Context, string) (connector.SourceState, error) {
	if s.chaos.strike() {
		return connector.SourceState{}, errInjected
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return connector.SourceState{LogID: s.state.logID, Position: s.state.position, Feeds: s.state.reports()}, nil
}

func (s *memStore) Apply(_ context.Context, b connector.Batch) (connector.Applied, error) {
	lostBefore, lostAfter := s.chaos.strike(), s.chaos.strike()
	s.mu.Lock()
	defer s.mu.Unlock()
	if lostBefore {
		return connector.Applied{}, errInjected
	}
	st := &s.state
	if st.position != b.Expect || (st.logID != "" && st.logID != b.LogID) {
		return connector.Applied{}, fmt.Errorf("at %s: %w", st.position, connector.ErrFenced)
	}
	if err := wholeCommits(b, b.Expect == st.rebased); err != nil {
		s.t.Error(err)
	}
	before := maps.Clone(st.cells)
	for i := range b.Messages {
		flipped := st.take(&b.Messages[i].Message, s.id)
		if len(flipped) > 0 && len(flipped) != flipped[0].tables {
			s.t.Errorf("store %s at %s has %d tables of %d of load %s count", s.id, b.Messages[i].Position, len(flipped), flipped[0].tables, flipped[0].load)
		}
	}
	st.count()
	st.logID, st.position = b.LogID, b.Position
	s.examine(b.Messages[len(b.Messages)-1].Resume)
	var changed []inventory.Cell
	for cell, now := range st.cells {
		if was := before[cell]; was.quantities != now.quantities || was.contributions != now.contributions {
			now.updated = time.Now()
			st.cells[cell] = now
			changed = append(changed, cell)
		}
	}
	st.enqueue(changed)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if lostAfter { // committed, and the answer never comes
		return connector.Applied{}, errInjected
	}
	return connector.Applied{Feeds: st.reports()}, nil
}

// wholeCommits holds a batch to promise P2: never half of a commit, unless the
// first half is lost with what the store was taken over.
func wholeCommits(b connector.Batch, rebased bool) error {
	part, open := 0, ""
	at := b.Expect
	for i := range b.Messages {
		m := &b.Messages[i].Message
		if !at.Before(m.Position) {
			return fmt.Errorf("batch after %s: message %s comes after %s", b.Expect, m.Position, at)
		}
		at = m.Position
		for j := range m.Commits {
			c := &m.Commits[j]
			if rebased && i+j == 0 && c.Part > 0 {
				part, open = c.Part, c.Transaction
			}
			if (c.Part > 0) != (open != "") || c.Part != part || (open != "" && open != c.Transaction) {
				return fmt.Errorf("batch after %s: part %d of transaction %s where part %d of %q was next", b.Expect, c.Part, c.Transaction, part, open)
			}
			if part, open = c.Part+1, c.Transaction; c.Last {
				part, open = 0, ""
			}
		}
	}
	if open != "" {
		return fmt.Errorf("batch after %s ends within transaction %s", b.Expect, open)
	}
	if at != b.Position {
		return fmt.Errorf("batch after %s ends at %s and says %s", b.Expect, at, b.Position)
	}
	return nil
}

func (st *memState) enqueue(cells []inventory.Cell) {
	if len(cells) > 0 {
		st.nextID++
		st.outbox[st.nextID] = cells
	}
}

func (s *memStore) RelayState(context.Context) (connector.RelayState, error) {
	if s.chaos.strike() {
		return connector.RelayState{}, errInjected
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.relay, nil
}

func (s *memStore) BeginSession(_ context.Context, b connector.SessionStart) error {
	lostBefore, lostAfter := s.chaos.strike(), s.chaos.strike()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	if lostBefore {
		return errInjected
	}
	if st.relay.Session != b.Expect {
		return connector.ErrFenced
	}
	if b.Expect == 0 && !slices.ContainsFunc(st.feeds, (*memFeed).counted) {
		s.t.Errorf("store %s publishes before anything was loaded", s.id)
	}
	st.relay.Session, st.relay.Place = b.Session, b.Place
	clear(s.read)
	s.placed = b.Place
	st.enqueue(b.Republish)
	if b.Walk {
		st.enqueue(slices.Collect(maps.Keys(st.cells)))
	}
	if lostAfter {
		return errInjected
	}
	return nil
}

func (s *memStore) Pending(_ context.Context, session uint64) (connector.Pending, error) {
	if s.chaos.strike() {
		return connector.Pending{}, errInjected
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	if st.relay.Session != session {
		return connector.Pending{}, connector.ErrFenced
	}
	var p connector.Pending
	for _, id := range slices.Sorted(maps.Keys(st.outbox)) {
		if s.read[id] {
			continue
		}
		if p.Done != nil {
			p.More = true
			break
		}
		s.read[id] = true
		p.Done = id
		for _, at := range st.outbox[id] {
			cell := st.cells[at]
			p.Levels = append(p.Levels, inventory.Level{
				Cell: at, Quantities: cell.quantities, Gone: cell.contributions == 0,
				UpdatedAt: cell.updated, CommittedAt: cell.updated,
			})
		}
	}
	return p, nil
}

func (s *memStore) Published(_ context.Context, session uint64, place connector.Place, done []any) error {
	lostBefore, lostAfter := s.chaos.strike(), s.chaos.strike()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	if lostBefore {
		return errInjected
	}
	if st.relay.Session != session || st.relay.Place != s.placed {
		return connector.ErrFenced
	}
	for _, id := range done {
		delete(st.outbox, id.(int))
	}
	if place != (connector.Place{}) {
		st.relay.Place, s.placed = place, place
	}
	if lostAfter {
		return errInjected
	}
	return nil
}

func (s *memStore) Wake() <-chan struct{} { return s.wake }

// levels returns the cells that hold anything.
func (s *memStore) levels() map[inventory.Cell]inventory.Quantity {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[inventory.Cell]inventory.Quantity)
	for at, cell := range s.state.cells {
		if q := cell.quantities[inventory.OnHand]; q != 0 {
			out[at] = q
		}
	}
	return out
}
