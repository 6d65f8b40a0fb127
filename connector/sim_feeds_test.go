package connector_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// memFeed is a table under one mapping, as a memStore holds it.
type memFeed struct {
	inventory.FeedName
	state  connector.FeedState
	load   inventory.Position
	tables int // of the load
	rows   map[string]memRow
}

func (f *memFeed) counted() bool { return f.state != connector.FeedLoading }

// take does what a message asks of the feeds, and returns those that it has count.
func (st *memState) take(m *inventory.Message, store string) (flipped []*memFeed) {
	st.open = st.open.take(m)
	switch {
	case m.Feeds != nil:
		lost := func(f *memFeed) bool { return !slices.Contains(m.Feeds, f.FeedName) }
		broken := slices.ContainsFunc(st.feeds, func(f *memFeed) bool { return !f.counted() && lost(f) })
		st.miss(func(f *memFeed) bool { return lost(f) || broken && !f.counted() })
	case m.LoadStarted != nil && slices.Contains(m.LoadStarted.Stores, store):
		st.miss(func(f *memFeed) bool { return f.state == connector.FeedLoading })
		for _, name := range m.LoadStarted.Feeds {
			st.feeds = append(st.feeds, &memFeed{name, connector.FeedLoading, m.Position, len(m.LoadStarted.Feeds), make(map[string]memRow)})
		}
	case m.LoadCompleted != nil:
		for _, f := range slices.Clone(st.feeds) {
			if f.state == connector.FeedLoading && f.load == m.LoadCompleted.Load {
				st.flip(f)
				flipped = append(flipped, f)
			}
		}
	case m.SourceGap != nil:
		st.miss(func(*memFeed) bool { return true })
	}
	for i := range m.Commits {
		c := &m.Commits[i]
		for j := range c.Events {
			st.apply(&c.Events[j], c.Load)
		}
	}
	return flipped
}

// miss makes feeds stale, and drops those that are being loaded.
func (st *memState) miss(missed func(*memFeed) bool) {
	for _, f := range slices.Clone(st.feeds) {
		switch {
		case !missed(f):
		case f.state == connector.FeedLoading:
			st.drop(f)
		default:
			f.state = connector.FeedStale
		}
	}
}

func (st *memState) drop(f *memFeed) {
	st.feeds = slices.DeleteFunc(st.feeds, func(other *memFeed) bool { return other == f })
}

// flip makes f count in the place of its predecessor, of which rows with a problem
// keep what counted last.
func (st *memState) flip(f *memFeed) {
	for _, old := range slices.Clone(st.feeds) {
		if old.Table != f.Table || !old.counted() {
			continue
		}
		for key, row := range f.rows {
			if row.problem && row.contributions == nil {
				f.rows[key] = memRow{old.rows[key].contributions, true, row.rejected}
			}
		}
		st.drop(old)
	}
	f.state = connector.FeedActive
}

func (st *memState) apply(e *inventory.Event, load inventory.Position) {
	for _, f := range st.feeds {
		if f.Table != e.Table || f.Mapping != e.Mapping || !load.IsZero() && (f.counted() || f.load != load) {
			continue
		}
		switch {
		case e.Op == cdc.OpTruncate:
			clear(f.rows)
			if f.counted() {
				f.state = connector.FeedActive
			}
		case e.Problem != nil: // the last good contributions stay
			f.rows[string(e.Row)] = memRow{f.rows[string(e.Row)].contributions, true, e.Problem.Kind == inventory.Rejected}
		default:
			f.rows[string(e.Row)] = memRow{slices.Clone(e.Contributions), false, false}
		}
	}
}

// count makes the cells anew of what counts. Cells that nothing contributes to any
// more stay, empty.
func (st *memState) count() {
	cells := make(map[inventory.Cell]memCell, len(st.cells))
	for at, cell := range st.cells {
		cells[at] = memCell{updated: cell.updated}
	}
	for _, f := range st.feeds {
		if !f.counted() {
			continue
		}
		for _, row := range f.rows {
			for _, c := range row.contributions {
				at := inventory.Cell{SKU: c.SKU, Location: c.Location}
				cell := cells[at]
				cell.contributions++
				cell.quantities = cell.quantities.Plus(c.Quantities)
				cells[at] = cell
			}
		}
	}
	st.cells = cells
}

func (st *memState) reports() []connector.FeedReport {
	var out []connector.FeedReport
	for _, f := range st.feeds {
		out = append(out, connector.FeedReport{FeedName: f.FeedName, State: f.state})
	}
	return out
}

func (st *memState) cloneFeeds() []*memFeed {
	var out []*memFeed
	for _, f := range st.feeds {
		c := *f
		c.rows = maps.Clone(f.rows)
		out = append(out, &c)
	}
	return out
}

// plus is r with n more on hand in each of its contributions.
func (r memRow) plus(n inventory.Quantity) memRow {
	out := memRow{problem: r.problem, rejected: r.rejected}
	for _, c := range r.contributions {
		c.Quantities[inventory.OnHand] += n * inventory.One
		out.contributions = append(out.contributions, c)
	}
	return out
}

func (r memRow) onHand() (sum inventory.Quantity) {
	for _, c := range r.contributions {
		sum += c.Quantities[inventory.OnHand]
	}
	return sum
}

// Elapse implements connector.Store: no row has a validity.
func (s *memStore) Elapse(context.Context, string) (connector.Elapsed, error) {
	return connector.Elapsed{}, nil
}

// Rebase implements connector.Store.
func (s *memStore) Rebase(_ context.Context, r connector.Rebase) ([]connector.FeedReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	if st.position != r.Expect || st.logID != r.ExpectLog {
		return nil, fmt.Errorf("at %s: %w", st.position, connector.ErrFenced)
	}
	st.miss(func(*memFeed) bool { return true })
	st.logID, st.position, st.rebased = r.LogID, r.Position, r.Position
	return st.reports(), nil
}

// Loaded implements connector.RelayStore.
func (s *memStore) Loaded(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.state.feeds {
		if f.counted() {
			return []string{"erp"}, nil
		}
	}
	return nil, nil
}

// examine holds the feeds to what must be true at every moment: no table counts
// twice, what one load fills flips together, and, where the source says
// everything exactly, what counts and is not stale is the source as of that place
// of the log. mu must be held.
func (s *memStore) examine(r cdc.Resume) {
	for i, f := range s.state.feeds {
		for _, other := range s.state.feeds[:i] {
			if other.Table == f.Table && other.counted() && f.counted() {
				s.t.Errorf("store %s counts table %s under two mappings", s.id, f.Table)
			}
			if !f.load.IsZero() && other.load == f.load && other.counted() != f.counted() {
				s.t.Errorf("store %s counts half of load %s", s.id, f.load)
			}
		}
		if s.world.source.exact && f.state == connector.FeedActive && r != "" { // without a token a gap follows
			does := s.world.meaning(f.Mapping)
			want, got := s.world.source.wantAt(placeOf(r), f.Table, does), f.counts()
			if does.looks {
				if !s.world.exactness.holds(s.state.position.Run, placeOf(r)) {
					continue
				}
				s.world.source.excused(placeOf(r), f.Table, s.state.open, want, got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				s.t.Errorf("store %s at %s, token %s, feed %v of load %s (-source +store):\n%s\nopen: %v\nlookups:\n%s\nthe log:\n%s",
					s.id, s.state.position, r, f.FeedName, f.load, diff, s.state.open, s.world.source.refStory(placeOf(r)), s.world.log.story())
			}
		}
	}
}

// counts is what each row contributes.
func (f *memFeed) counts() map[string]string {
	out := make(map[string]string)
	for key, row := range f.rows {
		for _, c := range row.contributions {
			if q := c.Quantities[inventory.OnHand]; q != 0 {
				out[key] += fmt.Sprintf("%s %s %s", c.SKU, c.Location, q)
			}
		}
	}
	return out
}
