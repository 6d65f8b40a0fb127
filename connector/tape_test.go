package connector_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

func at(run, number uint64) inventory.Position {
	return inventory.Position{Run: run, Number: number}
}

// entry is a message of n events: of a whole commit, or of the given part of one.
func entry(position, previous inventory.Position, n int, part ...bool) inventory.Message {
	c := inventory.Commit{Transaction: "t", CommittedAt: time.Now(), Last: true, Events: make([]inventory.Event, n)}
	if len(part) > 0 {
		c.Part, c.Last = int(position.Number), part[0]
	}
	return inventory.Message{Source: "erp", Position: position, Previous: previous, Commits: []inventory.Commit{c}}
}

// line is n whole messages of one event, of one run, from the given number on.
func line(run, from uint64, n int) []inventory.Message {
	var out []inventory.Message
	for i := range uint64(n) {
		previous := inventory.Position{}
		if from+i > 0 {
			previous = at(run, from+i-1)
		}
		out = append(out, entry(at(run, from+i), previous, 1))
	}
	return out
}

// tapeLog gives its messages in order, wherever their positions say they belong.
type tapeLog struct {
	size     func(*inventory.Message) int // 0 if nil
	mu       sync.Mutex
	id       string
	first    uint64 // sequence of the first message, less one
	messages []inventory.Message
	changed  chan struct{}
	opened   atomic.Int64
	absent   bool
	seeks    []inventory.Position
	hidden   int // messages at the end that readers do not see
	fail     error
}

func (l *tapeLog) add(m ...inventory.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m...)
	close(l.changed)
	l.changed = make(chan struct{})
}

// change runs f on the log.
func (l *tapeLog) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *tapeLog) open(context.Context) (connector.LogReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened.Add(1)
	if l.absent {
		return nil, connector.ErrNoLog
	}
	return &tapeReader{log: l}, l.fail
}

type tapeReader struct {
	log  *tapeLog
	next int
}

func (r *tapeReader) Seek(_ context.Context, p inventory.Position, _ uint64) error {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.log.seeks = append(r.log.seeks, p)
	r.next = 0
	for r.next < len(r.log.messages) && !p.Before(r.log.messages[r.next].Position) {
		r.next++
	}
	return nil
}

func (r *tapeReader) Next(ctx context.Context, _ int, wait time.Duration) ([]connector.LogMessage, error) {
	until := time.After(wait)
	for {
		r.log.mu.Lock()
		var out []connector.LogMessage
		for r.next < len(r.log.messages)-r.log.hidden {
			m := connector.LogMessage{Message: r.log.messages[r.next], Sequence: r.log.first + uint64(r.next) + 1}
			m.Pending = uint64(len(r.log.messages) - r.next - 1)
			if r.log.size != nil {
				m.Size = r.log.size(&m.Message)
			}
			out = append(out, m)
			r.next++
		}
		changed, fail := r.log.changed, r.log.fail
		r.log.mu.Unlock()
		if len(out) > 0 || fail != nil {
			return out, fail
		}
		select {
		case <-changed:
		case <-until:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *tapeReader) Tail(context.Context) (connector.LogTail, error) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	n := len(r.log.messages)
	t := connector.LogTail{ID: r.log.id, First: r.log.first + 1, Last: r.log.first + uint64(n), Empty: n == 0}
	if n > 0 {
		t.Position, t.OldestPrevious = r.log.messages[n-1].Position, r.log.messages[0].Previous
	}
	return t, nil
}

func (r *tapeReader) Close() error { return nil }

// tapeStore notes what is applied and reported.
type tapeStore struct {
	more    []bool // of the batches
	mu      sync.Mutex
	state   connector.SourceState
	applied []string
	reports []connector.StoreReport
	rebased []connector.Rebase
	fail    error
	silent  bool
	// feeds are those that the next apply says that it left.
	feeds []connector.FeedReport
	// dues are the moments at which something is due, elapsedAt those at which it was
	// done, and newDue, if not nil, comes with the next apply. elapses counts calls.
	dues, elapsedAt []time.Time
	newDue          *time.Time
	elapses         int
	elapseFails     error
}

func (s *tapeStore) ID() string { return "store" }

func (s *tapeStore) SourceState(context.Context, string) (connector.SourceState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, nil
}

func (s *tapeStore) Apply(_ context.Context, b connector.Batch) (connector.Applied, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return connector.Applied{}, s.fail
	}
	if b.Expect != s.state.Position {
		return connector.Applied{}, connector.ErrFenced
	}
	s.more = append(s.more, b.More)
	var numbers []string
	for _, m := range b.Messages {
		numbers = append(numbers, fmt.Sprintf("%d.%d", m.Position.Run, m.Position.Number))
	}
	s.applied = append(s.applied, strings.Join(numbers, " "))
	s.state.LogID, s.state.Position = b.LogID, b.Position
	if s.feeds != nil {
		s.state.Feeds = s.feeds
	}
	applied := connector.Applied{Contributions: 2, Cells: 1, Feeds: s.feeds}
	if s.newDue != nil {
		s.dues = append([]time.Time{*s.newDue}, s.dues...)
		applied.Due, s.newDue = inventory.MomentOf(*s.newDue), nil
	}
	return applied, nil
}

// Elapse does one of dues at a time, all of which stand in order.
func (s *tapeStore) Elapse(context.Context, string) (connector.Elapsed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elapses++
	if s.elapseFails != nil {
		return connector.Elapsed{}, s.elapseFails
	}
	var out connector.Elapsed
	if len(s.dues) > 0 && !time.Now().Before(s.dues[0]) {
		s.dues = s.dues[1:]
		s.elapsedAt = append(s.elapsedAt, time.Now())
		out.Contributions = 1
	}
	if len(s.dues) > 0 {
		out.Next = inventory.MomentOf(s.dues[0])
	}
	return out, nil
}

// Rebase leaves every feed stale.
func (s *tapeStore) Rebase(_ context.Context, r connector.Rebase) ([]connector.FeedReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	if r.Source != "erp" || r.Expect != s.state.Position || r.ExpectLog != s.state.LogID {
		return nil, connector.ErrFenced
	}
	s.rebased = append(s.rebased, r)
	s.state.LogID, s.state.Position = r.LogID, r.Position
	s.state.Feeds = slices.Clone(s.state.Feeds)
	for i := range s.state.Feeds {
		s.state.Feeds[i].State = connector.FeedStale
	}
	return s.state.Feeds, nil
}

func (s *tapeStore) Report(_ context.Context, r connector.StoreReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		return errInjected
	}
	s.reports = append(s.reports, r)
	return nil
}

func (s *tapeStore) last() connector.StoreReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reports[len(s.reports)-1]
}

func (s *tapeStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.reports)
}
