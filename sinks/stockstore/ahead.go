package stockstore

import (
	"context"
	"slices"
	"sync"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// aheadEvents bounds the batches whose rows are read ahead: for a large one, a
// round trip is nothing.
const aheadEvents = 200

// readAhead are the rows that a batch will ask for when the feeds of its source are
// what they were, to be read in one round trip with the lock on the source. What
// was read is used only if the batch then asks for just these rows.
type readAhead struct {
	rows []rowChange
	legs []aheadLeg
	// at, if not nil, says which row of a slice each row is.
	at []int32
	// asked says that legs has all that is stored of rows, or will have it when the
	// transaction has settled.
	asked bool
}

// aheadLeg is a stored contribution of rows[row].
type aheadLeg struct {
	row int
	storedLeg
}

func (a *readAhead) take(row int, leg *storedLeg) error {
	a.legs = append(a.legs, aheadLeg{row, *leg})
	return nil
}

// answers reports whether legs are, or will be, those of rows.
func (a *readAhead) answers(rows []rowChange) bool {
	return a != nil && a.asked &&
		slices.EqualFunc(a.rows, rows, func(x, y rowChange) bool { return x.rowRef == y.rowRef })
}

// lastFeeds remembers the feeds that batches left behind, by source. They are a
// guess: another process may have changed them since.
type lastFeeds struct {
	mu    sync.Mutex
	feeds map[string][]feed
}

func (l *lastFeeds) note(source string, feeds []*feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.feeds == nil {
		l.feeds = make(map[string][]feed)
	}
	kept := l.feeds[source][:0]
	for _, f := range feeds {
		kept = append(kept, *f)
	}
	l.feeds[source] = kept
}

func (l *lastFeeds) of(source string) []*feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	var feeds []*feed
	for _, f := range l.feeds[source] {
		feeds = append(feeds, &f)
	}
	return feeds
}

// lookAhead returns the rows that b will ask for first, nil if that is not worth
// a guess.
func (s *Store) lookAhead(ctx context.Context, b connector.Batch) *readAhead {
	n := eventCount(b.Messages)
	if n == 0 || n > aheadEvents {
		return nil
	}
	feeds := s.lastFeeds.of(b.Source)
	if len(feeds) == 0 {
		return nil
	}
	w := &batchWriter{book: &feedBook{source: b.Source, feeds: feeds}, fold: newFold(n)}
	for i := range b.Messages {
		m := &b.Messages[i]
		if m.Commits == nil {
			return nil // a control event
		}
		for j := range m.Commits {
			c := &m.Commits[j]
			if c.Compare != "" || slices.ContainsFunc(c.Events, func(e inventory.Event) bool { return e.Op == cdc.OpTruncate }) {
				return nil
			}
			w.fold.begin(m.Position, c)
			if err := w.commit(ctx, c); err != nil {
				return nil
			}
		}
	}
	w.fold.sort()
	return &readAhead{rows: slices.DeleteFunc(w.fold.rows, func(r rowChange) bool { return r.good == nil })}
}
