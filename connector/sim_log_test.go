package connector_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// memLog is a source's log with the state kept beside it, on a server that syncs
// its files lazily: what is younger than delay may be lost.
type memLog struct {
	t     *testing.T
	chaos *chaos
	delay time.Duration

	mu         sync.Mutex
	id         string
	messages   []memMessage
	last       uint64 // sequence
	changed    chan struct{}
	record     memRecord
	older      memRecord // what record replaced
	runs       []*memRun
	rejects    map[string]bool
	kept       []connector.Reject // the newest of each row and mapping
	lastReject uint64
	keptIDs    []uint64 // what they are called
	reports    map[string]connector.StoreReport
	mappings   map[inventory.MappingID][]byte
	plan       memPlan
	olderPlan  memPlan                                  // what plan replaced
	gaps       int                                      // stated
	lost       int                                      // times that the log was lost
	contents   map[inventory.Position][sha256.Size]byte // of every position ever appended, also of lost ones
}

type memMessage struct {
	inventory.Envelope
	decoded  inventory.Message
	sequence uint64
	at       time.Time
}

// memPlan is a kept plan.
type memPlan struct {
	text  []byte
	logID string
	rests inventory.Position
	at    time.Time
}

// memRecord is what the state holds of the last run: its log and number, and the
// token kept beside the tail.
type memRecord struct {
	logID  string
	run    uint64
	tail   inventory.Position
	resume cdc.Resume
	at     time.Time
}

func newMemLog(t *testing.T, c *chaos) *memLog {
	return &memLog{
		t: t, chaos: c, id: "log", delay: confirmDelay, changed: make(chan struct{}),
		rejects: make(map[string]bool), reports: make(map[string]connector.StoreReport),
		mappings: make(map[inventory.MappingID][]byte),
		contents: make(map[inventory.Position][sha256.Size]byte),
	}
}

func (l *memLog) Begin(context.Context) (connector.Run, error) {
	lostBefore, lostAfter := l.chaos.strike(), l.chaos.strike()
	if lostBefore {
		return nil, errInjected
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := connector.RunStart{LogID: l.id, ConfirmDelay: l.delay}
	if n := len(l.messages); n > 0 {
		s.Tail, s.Resume = l.messages[n-1].Position, l.messages[n-1].Resume
	}
	if l.record.logID != "" && l.record.logID != l.id {
		s.Resume, s.Lost = "", "the last run was of log "+l.record.logID
	} else if len(l.messages) == 0 && l.last > 0 {
		s.Lost = "it was emptied"
	}
	ours := l.record.logID == l.id && l.record.resume != ""
	counts := ours && l.record.tail == s.Tail && s.Lost == ""
	if counts {
		s.Resume = l.record.resume
	}
	s.Run = max(s.Tail.Run+1, l.record.run+1, uint64(time.Now().UnixMilli()))
	next := memRecord{l.id, s.Run, s.Tail, s.Resume, time.Now()}
	if keepsToken && !counts && ours {
		next.tail, next.resume = l.record.tail, l.record.resume
	}
	l.write(next)
	if lostAfter {
		return nil, errInjected
	}
	r := &memRun{log: l, id: l.id, start: s, expect: l.last, acked: l.last, told: make(chan struct{}, 1)}
	l.runs = append(l.runs, r)
	return r, nil
}

// keepsToken says that a run that does not use the token of the record leaves it there.
const keepsToken = true

// write replaces the record. mu must be held.
func (l *memLog) write(r memRecord) { l.older, l.record = l.record, r }

// loseTail drops what a lazily syncing server may lose in a power cut, of the
// messages and of the state independently, and every run's connection. The first
// message stays: a log that is lost altogether is another story.
func (l *memLog) loseTail(rng *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.runs {
		r.dead = true
	}
	l.runs = nil
	oldest := time.Now().Add(-l.delay)
	keep := len(l.messages)
	for keep > 1 && l.messages[keep-1].at.After(oldest) && rng.IntN(4) > 0 {
		keep--
	}
	if keep < len(l.messages) {
		l.last = l.messages[keep].sequence - 1
		l.messages = slices.Clone(l.messages[:keep])
	}
	if l.record.at.After(oldest) && rng.IntN(2) == 0 {
		l.record = l.older
	}
	if l.plan.at.After(oldest) && rng.IntN(2) == 0 {
		l.plan = l.olderPlan
	}
}

// replace makes the log anew, empty. What is kept beside it stays.
func (l *memLog) replace(rng *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.runs {
		r.dead = true
	}
	l.runs, l.messages, l.last = nil, nil, 0
	l.lost++
	l.id = fmt.Sprintf("log-%d", rng.IntN(1_000_000))
}

// empty removes every message, as an operator can.
func (l *memLog) empty() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = nil
	l.lost++
}

// unregister forgets a store that is gone for good.
func (l *memLog) unregister(store string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.reports, store)
}

// worst returns the place from which the next run reads after the worst loss
// that may happen now.
func (l *memLog) worst() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := time.Now().Add(-l.delay)
	records := []memRecord{l.record}
	if l.record.at.After(oldest) {
		records = append(records, l.older)
	}
	worst := 1 << 30
	for n := len(l.messages); n > 0; n-- {
		m := &l.messages[n-1]
		for _, r := range records {
			resume := m.Resume
			if r.resume != "" && r.logID == l.id && r.tail == m.Position {
				resume = r.resume
			}
			worst = min(worst, placeOf(resume))
		}
		if !m.at.After(oldest) {
			break // this one stays
		}
	}
	return worst
}

type memRun struct {
	log    *memLog
	id     string
	start  connector.RunStart
	expect uint64
	acked  uint64
	dead   bool
	// told is signalled when a store has reported.
	told chan struct{}
}

// memAck is answered after a little while.
type memAck struct {
	err  error
	done func()
}

func (a memAck) Wait(ctx context.Context) error {
	if err := pause(ctx, time.Millisecond); err != nil {
		return err
	}
	if a.done != nil {
		a.done()
	}
	return a.err
}

func (r *memRun) Start() connector.RunStart { return r.start }

func (r *memRun) Append(_ context.Context, e inventory.Envelope) (connector.Ack, error) {
	lostBefore, lostAfter := r.log.chaos.strike(), r.log.chaos.strike()
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.dead || lostBefore || l.last != r.expect {
		r.dead = true
		return memAck{err: errInjected}, nil
	}
	e.Body = slices.Clone(e.Body)
	decoded, err := inventory.Decode(e)
	if err != nil {
		l.t.Errorf("append: %v", err)
	}
	l.last++
	r.expect++
	l.messages = append(l.messages, memMessage{Envelope: e, decoded: decoded, sequence: l.last, at: time.Now()})
	l.examine(&l.messages[len(l.messages)-1])
	close(l.changed)
	l.changed = make(chan struct{})
	if lostAfter { // stored, and the ack never comes
		r.dead = true
		return memAck{err: errInjected}, nil
	}
	sequence := l.last
	return memAck{done: func() { l.mu.Lock(); r.acked = max(r.acked, sequence); l.mu.Unlock() }}, nil
}

// examine holds a new message to what every message must be. mu must be held.
func (l *memLog) examine(m *memMessage) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", m.Previous, m.Resume, m.Body))
	if held, ok := l.contents[m.Position]; ok && held != sum {
		l.t.Errorf("position %s names two contents", m.Position)
	}
	l.contents[m.Position] = sum
	if n := len(l.messages); n > 1 && l.messages[n-2].Position != m.Previous {
		l.t.Errorf("message %s says that it follows %s, and it follows %s", m.Position, m.Previous, l.messages[n-2].Position)
	}
	if m.decoded.SourceGap != nil {
		l.gaps++
	}
	if len(m.Body) > 640<<10 {
		l.t.Errorf("message %s has %d bytes", m.Position, len(m.Body))
	}
	for _, c := range m.decoded.Commits {
		for i := range c.Events {
			if e := &c.Events[i]; e.Problem != nil && e.Problem.Kind == inventory.Rejected && !l.rejects[string(e.Row)+" "+c.Transaction] {
				l.t.Errorf("message %s steps over row %s of transaction %s, which is not among the rejects", m.Position, e.Row, c.Transaction)
			}
		}
	}
}

func (r *memRun) Reject(_ context.Context, reject connector.Reject) error {
	if r.log.chaos.strike() {
		return errInjected
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	l := r.log
	l.rejects[string(reject.Row)+" "+reject.Transaction] = true
	l.unkeep(func(i int) bool {
		k := &l.kept[i]
		return k.Table == reject.Table && k.Mapping == reject.Mapping && k.Row == reject.Row
	})
	l.kept, l.lastReject = append(l.kept, reject), l.lastReject+1
	l.keptIDs = append(l.keptIDs, l.lastReject)
	return nil
}

// unkeep forgets the kept rejects that which says. mu must be held.
func (l *memLog) unkeep(which func(i int) bool) {
	for i := len(l.kept) - 1; i >= 0; i-- {
		if which(i) {
			l.kept, l.keptIDs = slices.Delete(l.kept, i, i+1), slices.Delete(l.keptIDs, i, i+1)
		}
	}
}

func (r *memRun) Settle(_ context.Context, refs []connector.RejectRef) error {
	lostBefore, lostAfter := r.log.chaos.strike(), r.log.chaos.strike()
	if lostBefore {
		return errInjected
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	for _, ref := range refs {
		r.log.unkeep(func(i int) bool { return r.log.keptIDs[i] == ref.ID })
	}
	if lostAfter {
		return errInjected
	}
	return nil
}

// retries returns the kept rejects as a retry takes them, by their ids.
func (l *memLog) retries() map[uint64]connector.RetryRow {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[uint64]connector.RetryRow)
	for i, k := range l.kept {
		id := l.keptIDs[i]
		out[id] = connector.RetryRow{RejectRef: connector.RejectRef{ID: id, Table: k.Table, Mapping: k.Mapping, Row: k.Row}, Key: k.Key}
	}
	return out
}

// hasReject reports whether a reject of a row is kept.
func (l *memLog) hasReject(f inventory.FeedName, row string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.kept, func(k connector.Reject) bool {
		return k.Table == f.Table && k.Mapping == f.Mapping && string(k.Row) == row
	})
}

func (r *memRun) Checkpoint(_ context.Context, tail inventory.Position, resume cdc.Resume) error {
	lostBefore, lostAfter := r.log.chaos.strike(), r.log.chaos.strike()
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if lostBefore {
		return errInjected
	}
	if l.record.run != r.start.Run || l.record.logID != r.id {
		return connector.ErrLeaseLost
	}
	l.write(memRecord{r.id, r.start.Run, tail, resume, time.Now()})
	if lostAfter {
		return errInjected
	}
	return nil
}

func (r *memRun) Check(context.Context) error {
	if r.log.chaos.strike() {
		return errInjected
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if r.dead || r.id != r.log.id || r.log.last != r.expect || len(r.log.messages) == 0 {
		return connector.ErrLogChanged
	}
	return nil
}

func (r *memRun) KeepMapping(_ context.Context, id inventory.MappingID, text []byte) error {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.log.mappings[id] = text
	return nil
}

func (r *memRun) Mapping(_ context.Context, id inventory.MappingID) ([]byte, error) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return r.log.mappings[id], nil
}

func (r *memRun) KeepPlan(_ context.Context, plan []byte, rests inventory.Position) error {
	lostBefore, lostAfter := r.log.chaos.strike(), r.log.chaos.strike()
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if lostBefore {
		return errInjected
	}
	if l.record.run != r.start.Run {
		return connector.ErrLeaseLost
	}
	l.plan, l.olderPlan = memPlan{slices.Clone(plan), r.id, rests, time.Now()}, l.plan
	if lostAfter {
		return errInjected
	}
	return nil
}

// Plan returns the plan unless the message that it rests on was lost. One that was
// purged was durable.
func (r *memRun) Plan(context.Context) ([]byte, error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.log.chaos.strike() {
		return nil, errInjected
	}
	held := slices.ContainsFunc(l.messages, func(m memMessage) bool { return m.Position == l.plan.rests })
	purged := len(l.messages) > 0 && !l.messages[0].Previous.Before(l.plan.rests)
	if len(l.plan.text) == 0 || l.plan.logID != r.id || !held && !purged {
		return nil, nil
	}
	return l.plan.text, nil
}

func (r *memRun) Reports() []connector.StoreReport {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	return slices.Collect(maps.Values(r.log.reports))
}

func (r *memRun) Reported() <-chan struct{} { return r.told }

// Purge removes what all stores reported, only where the message there has
// exactly the reported position, and never the newest.
func (r *memRun) Purge(_ context.Context, keep time.Duration, hold inventory.Position) (connector.Usage, error) {
	if r.log.chaos.strike() {
		return connector.Usage{}, errInjected
	}
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	slowest := connector.StoreReport{Position: inventory.Position{Run: math.MaxUint64}}
	for _, report := range l.reports {
		if report.LogID != l.id {
			return connector.Usage{}, nil
		}
		if report.Position.Before(slowest.Position) {
			slowest = report
		}
	}
	n := 0
	for n < len(l.messages)-1 && (hold.IsZero() || l.messages[n].Position.Before(hold)) && l.messages[n].sequence <= slowest.Sequence && time.Since(l.messages[n].at) > keep {
		n++
	}
	exact := slices.ContainsFunc(l.messages, func(m memMessage) bool {
		return m.sequence == slowest.Sequence && m.Position == slowest.Position
	})
	if exact {
		l.messages = slices.Clone(l.messages[n:])
	}
	return connector.Usage{}, nil
}

func (r *memRun) Close() error {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.dead = true
	return nil
}

// Report implements connector.Reporter.
func (l *memLog) Report(_ context.Context, r connector.StoreReport) error {
	if l.chaos.strike() {
		return errInjected
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports[r.Store] = r
	for _, run := range l.runs {
		select {
		case run.told <- struct{}{}:
		default:
		}
	}
	return nil
}

// story tells what the log says beside rows.
func (l *memLog) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for i := range l.messages {
		m := &l.messages[i].decoded
		switch {
		case m.Feeds != nil:
			fmt.Fprintf(&b, "%s %s: captures %v\n", m.Position, m.Resume, m.Feeds)
		case m.LoadStarted != nil:
			fmt.Fprintf(&b, "%s %s: load started: %+v\n", m.Position, m.Resume, *m.LoadStarted)
		case m.Chunk != nil:
			fmt.Fprintf(&b, "%s %s: chunk: %+v\n", m.Position, m.Resume, *m.Chunk)
		case m.LoadCompleted != nil:
			fmt.Fprintf(&b, "%s %s: load completed: %s\n", m.Position, m.Resume, m.LoadCompleted.Load)
		case m.SourceGap != nil:
			fmt.Fprintf(&b, "%s %s: gap: %+v\n", m.Position, m.Resume, *m.SourceGap)
		case m.Rederived != nil:
			fmt.Fprintf(&b, "%s %s: rederived through %s\n", m.Position, m.Resume, m.Rederived.Through)
		}
		for _, c := range m.Commits {
			if len(c.Rederive) > 0 {
				fmt.Fprintf(&b, "%s %s: transaction %s names %v\n", m.Position, m.Resume, c.Transaction, c.Rederive)
			}
		}
	}
	return b.String()
}

// forgetOthers forgets all stores but those given.
func (l *memLog) forgetOthers(stores ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.reports, func(store string, _ connector.StoreReport) bool { return !slices.Contains(stores, store) })
}

// memLogReader reads by stream sequence once sought, as a consumer does, so that
// a lost and rewritten tail leads it astray in just the way a real one is.
type memLogReader struct {
	log  *memLog
	next uint64
}

func (l *memLog) open(context.Context) (connector.LogReader, error) {
	if l.chaos.strike() {
		return nil, errInjected
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == 0 {
		return nil, connector.ErrNoLog
	}
	return &memLogReader{log: l, next: 1}, nil
}

func (r *memLogReader) Seek(_ context.Context, p inventory.Position, _ uint64) error {
	if r.log.chaos.strike() {
		return errInjected
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.next = r.log.last + 1
	for _, m := range r.log.messages {
		if p.Before(m.Position) {
			r.next = m.sequence
			break
		}
	}
	return nil
}

func (r *memLogReader) Next(ctx context.Context, _ int, wait time.Duration) ([]connector.LogMessage, error) {
	if r.log.chaos.strike() {
		return nil, errInjected
	}
	until := time.After(wait)
	for {
		r.log.mu.Lock()
		changed := r.log.changed
		var out []connector.LogMessage
		first := sort.Search(len(r.log.messages), func(i int) bool { return r.log.messages[i].sequence >= r.next })
		for _, m := range r.log.messages[first:min(first+10, len(r.log.messages))] {
			out = append(out, connector.LogMessage{Message: m.decoded, Sequence: m.sequence, Size: len(m.Body)})
		}
		r.log.mu.Unlock()
		if len(out) > 0 {
			r.next = out[len(out)-1].Sequence + 1
			return out, nil
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

func (r *memLogReader) Tail(context.Context) (connector.LogTail, error) {
	if r.log.chaos.strike() {
		return connector.LogTail{}, errInjected
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	t := connector.LogTail{ID: r.log.id, Last: r.log.last, Empty: len(r.log.messages) == 0}
	if !t.Empty {
		t.First = r.log.messages[0].sequence
		t.OldestPrevious = r.log.messages[0].Previous
		t.Position = r.log.messages[len(r.log.messages)-1].Position
	}
	return t, nil
}

func (r *memLogReader) Close() error { return nil }

var errInjected = errors.New("injected failure")

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
