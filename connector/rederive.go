package connector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// rederiver reads rows again that look up what changed, and states them anew. What
// is to be derived again stands in the log, in the commit that causes it, and so
// does that it was done: a run goes on with what an earlier one left open. It
// works beside loads and before them, in rounds: everything that is open when a
// round begins is read in it.
//
// Its methods are called by the goroutine that takes the stream, at boundaries
// between commits, but for those that are said to be for others.
type rederiver struct {
	s       *captureRun
	rec     *backfill.Recorder
	request chan chunkRequest
	results chan chunkResult
	reader  *chunkReader // maps what is placed

	// open is what was stated and no round has taken, the newest in the message at stated.
	open   rederiveSet
	stated inventory.Position
	// round are the reads of the round that is under way, if one is, which answers the
	// messages up to through.
	round   []*tableRead
	under   bool
	through inventory.Position
	reading bool
	// arrived are the chunks that were read and not placed.
	arrived map[*backfill.Step]*backfill.Chunk
	begun   time.Time
	// answer is the position of the message that ends the round, while that is not durable.
	answer inventory.Position
	// cursor is a position up to which everything is answered, as far as it is to be kept.
	cursor     inventory.Position
	cursorKept time.Time

	// gap is the position of the message that states a gap, while that is not durable.
	gap inventory.Position

	// wake is when a boundary is wanted, in unix nanoseconds, zero for never.
	wake atomic.Int64

	mu sync.Mutex
	// oldest is the first message that is not answered, zero if none is, and kept a
	// position up to which everything is, from which on a restart looks for what is not:
	// zero as long as it does not matter.
	oldest, kept inventory.Position
}

// cursorEvery is how often the log's tail is kept as the place from which a restart
// looks for what is open, while nothing is.
const cursorEvery = 30 * time.Second

// lookupsExact is logged where lookups have become exact.
const lookupsExact = "lookups are exact from here on"

// rederiveName stands for the transaction of rows that are derived again.
const rederiveName = "rederive"

func newRederiver(s *captureRun) *rederiver {
	return &rederiver{
		s: s, rec: backfill.NewRecorder(windowKeys),
		request: make(chan chunkRequest, 1), results: make(chan chunkResult, 1),
		reader: &chunkReader{source: s.c.cfg.Source, name: rederiveName}, arrived: make(map[*backfill.Step]*backfill.Chunk),
	}
}

// record notes what a transaction touched.
func (d *rederiver) record(t *cdc.Transaction, changes []cdc.NetChange) {
	if d != nil {
		d.rec.Record(t, changes)
	}
}

// state notes that the message at a position names list to be derived again.
func (d *rederiver) state(list []inventory.Rederive, at inventory.Position) {
	if len(list) == 0 {
		return
	}
	d.open.merge(list)
	d.stated = at
	d.mu.Lock()
	if d.oldest.IsZero() {
		d.oldest = at
	}
	d.mu.Unlock()
	d.s.c.cfg.Metrics.rederivations.WithLabelValues(d.s.c.cfg.Source).Inc()
	d.wakeAt(time.Now())
}

// holdAll holds what earlier runs left open, wherever that is: the run begins with a
// gap, and if it ends before that is stated, the next one may find that none is needed.
func (d *rederiver) holdAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.oldest = inventory.Position{Number: 1}
}

// lost notes that the message at a position states the gap with which the run began.
func (d *rederiver) lost(at inventory.Position) {
	if d == nil {
		return
	}
	d.gap = at
	d.wakeAt(time.Now())
}

// pastGap lets go of what was open before the gap once that is durable.
func (d *rederiver) pastGap() {
	if d.gap.IsZero() {
		return
	}
	if !d.s.out.acknowledged(d.gap) {
		d.wakeAt(time.Now().Add(paceEvery))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.oldest = inventory.Position{}
	if d.under || !d.open.empty() {
		d.oldest = d.gap // what is open stands behind it
	}
	d.gap = inventory.Position{}
}

// holds returns the first message that must not be purged, zero if that is none: one
// that is open, or that a restart reads to find what is. For any goroutine.
func (d *rederiver) holds() inventory.Position {
	if d == nil {
		return inventory.Position{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept.IsZero() {
		return d.oldest
	}
	return inventory.Position{Run: d.kept.Run, Number: d.kept.Number + 1}
}

// keep has a position kept as one up to which everything is answered, which rests on
// the message at rests.
func (d *rederiver) keep(cursor, rests inventory.Position) {
	d.mu.Lock()
	d.kept = cursor
	d.mu.Unlock()
	d.s.load.keepCursor(cursor, rests)
	d.cursorKept = time.Now()
}

// step goes on at a boundary that the stream has reached.
func (d *rederiver) step(ctx context.Context, reached cdc.Resume) error {
	d.wake.Store(0)
	d.pastGap()
	if !d.s.lookups.exact() {
		d.s.lookups.settle(reached)
		if !d.s.lookups.exact() {
			d.wakeAt(time.Now().Add(paceEvery))
			return nil
		}
		d.s.c.cfg.Logger.InfoContext(ctx, lookupsExact, "run", d.s.start.Run, "resume", string(reached))
	}
	if !d.answer.IsZero() {
		d.acknowledged()
		return nil
	}
	if !d.under {
		if err := d.begin(ctx); err != nil {
			return err
		}
	}
	if !d.under {
		d.keepCursor()
		return nil
	}
	return d.goOn(ctx, reached)
}

// begin begins a round of all that is open. What matters to no mapping any more is
// answered without being read.
func (d *rederiver) begin(ctx context.Context) error {
	if d.open.empty() {
		return nil
	}
	// Commits that come now must not get into a message that the round answers.
	if err := d.s.out.flush(ctx); err != nil {
		return err
	}
	for _, r := range d.open.list() {
		for _, part := range parts(r) {
			if t := d.read(part); t != nil {
				d.round = append(d.round, t)
			}
		}
	}
	d.through, d.open, d.begun, d.under = d.stated, rederiveSet{}, time.Now(), true
	return nil
}

// parts cuts r into requests that a source takes.
func parts(r inventory.Rederive) []inventory.Rederive {
	if len(r.Columns) == 0 {
		return []inventory.Rederive{r}
	}
	var out []inventory.Rederive
	for rest := r.Values; len(rest) > 0; {
		n := min(len(rest), backfill.MaxReferring)
		out = append(out, inventory.Rederive{Table: r.Table, Columns: r.Columns, Values: rest[:n]})
		rest = rest[n:]
	}
	return out
}

// read plans the reading of what r names; nil if it matters to no mapping any more.
func (d *rederiver) read(r inventory.Rederive) *tableRead {
	t := newTableRead(r.Table, d.s.mappings)
	if t == nil || len(r.Columns) > 0 && !refers(t.mappings, r.Columns) {
		return nil
	}
	plan := backfill.Plan{Table: t.table, MinRows: rederiveRows, MaxRows: rederiveRows}
	if len(r.Columns) > 0 {
		plan.Referring = &backfill.Referring{Columns: r.Columns, Values: r.Values}
	}
	t.planner = backfill.NewPlanner(plan)
	return t
}

// rederiveRows is how many rows are read at once: each chunk finds all rows of its
// values anew.
const rederiveRows = 10_000

// refers reports whether one of mappings goes by these columns to another table.
func refers(mappings []*mapping.Mapping, columns []string) bool {
	for _, m := range mappings {
		for _, r := range m.References() {
			if slices.Equal(r.Columns, columns) {
				return true
			}
		}
	}
	return false
}

// goOn goes on with the round.
func (d *rederiver) goOn(ctx context.Context, reached cdc.Resume) error {
	if err := d.take(); err != nil {
		return err
	}
	done := true
	for _, t := range d.round {
		if err := d.place(ctx, t, reached); err != nil {
			return err
		}
		done = done && t.planner.Cursor().Done
	}
	if !done {
		d.openNext()
		return nil
	}
	at, err := d.s.out.control(ctx, inventory.AppendRederived(nil, d.s.c.cfg.Source, inventory.Rederived{Through: d.through}))
	if err != nil {
		return err
	}
	d.answer = at
	d.wakeAt(time.Now().Add(paceEvery))
	return nil
}

// take takes the chunk that has been read, if one has.
func (d *rederiver) take() error {
	select {
	case r := <-d.results:
		d.reading = false
		t := r.table
		if r.err != nil {
			t.planner.Fail(r.step)
			t.delay = min(max(2*t.delay, readRetryFirst), readRetryLongest)
			t.notBefore = time.Now().Add(t.delay)
			d.s.c.cfg.Logger.Warn("rows to derive again could not be read, will retry", "table", t.name, "error", r.err, "after", t.delay)
			d.s.c.cfg.Metrics.chunkFailures.WithLabelValues(d.s.c.cfg.Source).Inc()
			return nil //nolint:nilerr // it is read again
		}
		t.delay = 0
		d.arrived[r.step] = r.chunk
		return t.planner.Arrive(r.step, r.chunk, r.took)
	default:
		return nil
	}
}

// place appends the chunks of t that the stream has reached, mapped by what the
// lookups say here.
func (d *rederiver) place(ctx context.Context, t *tableRead, reached cdc.Resume) error {
	for {
		step, placed, err := t.planner.Place(reached)
		if errors.Is(err, backfill.ErrReread) {
			d.s.c.cfg.Metrics.chunksReread.WithLabelValues(d.s.c.cfg.Source).Inc()
			continue
		}
		if err != nil || step == nil {
			return err
		}
		if err := d.append(ctx, t, step, placed); err != nil {
			return err
		}
		// A crash begins the round anew: what it has come to is not kept.
		t.planner.Durable(step)
	}
}

func (d *rederiver) append(ctx context.Context, t *tableRead, step *backfill.Step, placed []backfill.Placed) error {
	rows := &readRows{name: rederiveName, readAt: d.arrived[step].ReadAt}
	mapped, err := d.reader.mapPlaced(t, d.arrived[step], placed)
	if err != nil {
		return err
	}
	each := len(t.mappings)
	for n := range placed {
		for i := n * each; i < (n+1)*each; i++ {
			if reject, ok := mapped.rejects[i]; ok {
				if d.s.c.cfg.StopOnReject {
					return &RejectError{Reject: reject}
				}
				rows.rejects = append(rows.rejects, reject)
			}
			rows.events = append(rows.events, mapped.stated.at(i))
		}
	}
	d.s.c.cfg.Metrics.rederivedRows.WithLabelValues(d.s.c.cfg.Source).Add(float64(len(placed)))
	return d.s.out.rows(ctx, rows)
}

// openNext has the next chunk read, and a boundary come when one is needed.
func (d *rederiver) openNext() {
	now := time.Now()
	if d.reading {
		return // the result brings a boundary
	}
	for _, t := range d.round {
		if now.Before(t.notBefore) {
			d.wakeAt(t.notBefore)
			continue
		}
		if step := t.planner.Open(d.rec, now); step != nil {
			d.reading = true
			d.request <- chunkRequest{table: t, planner: t.planner, given: t.given, step: step, mark: d.s.c.cfg.Adapter.Mark()}
			break
		}
	}
	for _, t := range d.round {
		if t.planner.Waiting() {
			d.wakeAt(now.Add(paceEvery))
		}
	}
}

// acknowledged ends the round if its answer is durable.
func (d *rederiver) acknowledged() {
	if !d.s.out.acknowledged(d.answer) {
		d.wakeAt(time.Now().Add(paceEvery))
		return
	}
	d.s.c.cfg.Metrics.rederiveSeconds.WithLabelValues(d.s.c.cfg.Source).Observe(time.Since(d.begun).Seconds())
	d.keep(d.through, d.answer)
	d.answer = inventory.Position{}
	clear(d.arrived)
	d.release()
	d.wakeAt(time.Now())
}

// release lets go of the messages that the round answered.
func (d *rederiver) release() {
	d.round, d.under = nil, false
	d.mu.Lock()
	defer d.mu.Unlock()
	d.oldest = inventory.Position{}
	if !d.open.empty() {
		d.oldest = d.through
	}
}

// keepCursor has the log's tail kept now and then while nothing is open.
func (d *rederiver) keepCursor() {
	if !d.open.empty() || time.Since(d.cursorKept) < cursorEvery {
		return
	}
	if tail := d.s.out.place().tail; d.cursor.Before(tail) {
		d.cursor = tail
		d.keep(tail, tail)
	}
}

// wakeAt has a boundary come at t, if none comes before.
func (d *rederiver) wakeAt(t time.Time) {
	at := t.UnixNano()
	if held := d.wake.Load(); held == 0 || at < held {
		d.wake.Store(at)
	}
}

// tick has boundaries come when they are wanted, until ctx ends. For a goroutine of
// its own.
func (d *rederiver) tick(ctx context.Context) error {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if at := d.wake.Load(); at != 0 && at <= now.UnixNano() {
				d.s.c.cfg.Adapter.Nudge()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// resume reads from the log what earlier runs left open: what was stated behind
// the kept cursor and not answered. A gap leaves nothing open, because everything
// behind it is loaded anew. If messages behind the cursor are gone, as when a log that
// was full made room for the run to begin, nobody knows what they named: all rows then.
func (d *rederiver) resume(ctx context.Context, cursor inventory.Position) error {
	tail := d.s.start.Tail
	if tail.IsZero() || !cursor.Before(tail) {
		return nil
	}
	left, err := d.readOpen(ctx, cursor)
	if err != nil {
		return fmt.Errorf("read log of source %s: %w", d.s.c.cfg.Source, err)
	}
	for _, s := range left.open {
		d.state(s.list, s.at)
	}
	if len(left.open) > 0 {
		d.kept = cursor
		d.s.c.cfg.Logger.InfoContext(ctx, "rows are left to be derived again", "messages", len(left.open))
	}
	if left.unresolved || !left.gone.IsZero() {
		d.s.lookups.missed = nil // nobody kept what was missed
	}
	if !left.gone.IsZero() {
		d.s.c.cfg.Logger.WarnContext(ctx, "messages that may name rows to be derived again are gone: all rows that look up others are",
			"after", cursor.String(), "through", left.gone.String())
		d.state(d.s.lookups.everything(), tail)
	}
	return nil
}

// leftBehind is what earlier runs left in the log.
type leftBehind struct {
	open openStatements
	// gone is the last of the messages that are missing at the beginning, zero if none is
	// or if it does not matter what they named.
	gone inventory.Position
	// unresolved says that a row waits for another.
	unresolved bool
}

// readOpen reads the log from cursor up to the tail with which the run began.
func (d *rederiver) readOpen(ctx context.Context, cursor inventory.Position) (left leftBehind, err error) {
	reader, err := d.s.c.cfg.Open(ctx)
	if err != nil {
		return left, err
	}
	defer reader.Close() //nolint:errcheck // a reader has nothing to lose
	if err := reader.Seek(ctx, cursor, 0); err != nil {
		return left, fmt.Errorf("seek %s: %w", cursor, err)
	}
	tail := d.s.start.Tail
	for at := cursor; at.Before(tail); {
		messages, err := reader.Next(ctx, resumeBytes, resumeWait)
		if err != nil {
			return left, err
		}
		if len(messages) == 0 {
			return left, fmt.Errorf("it ends at %s, before its tail %s", at, tail)
		}
		if previous := messages[0].Previous; at == cursor && cursor.Before(previous) {
			left.gone = previous
		}
		for i := range messages {
			if m := &messages[i].Message; !tail.Before(m.Position) {
				left.take(m)
			}
		}
		at = messages[len(messages)-1].Position
	}
	return left, nil
}

// take takes the next message.
func (l *leftBehind) take(m *inventory.Message) {
	l.open.take(m)
	l.unresolved = l.unresolved || unresolved(m)
	if m.SourceGap != nil || m.Rederived != nil && !m.Rederived.Through.Before(l.gone) {
		l.gone = inventory.Position{}
	}
}

// unresolved reports whether a row of m waits for another.
func unresolved(m *inventory.Message) bool {
	for i := range m.Commits {
		for j := range m.Commits[i].Events {
			if p := m.Commits[i].Events[j].Problem; p != nil && p.Kind == inventory.Unresolved {
				return true
			}
		}
	}
	return false
}

const (
	resumeBytes = 4 << 20
	resumeWait  = 5 * time.Second
)

// openStatements is what messages named to be derived again and none answered.
type openStatements []openStatement

type openStatement struct {
	at   inventory.Position
	list []inventory.Rederive
}

func (o *openStatements) take(m *inventory.Message) {
	switch {
	case m.SourceGap != nil:
		*o = nil
	case m.Rederived != nil:
		n := 0
		for n < len(*o) && !m.Rederived.Through.Before((*o)[n].at) {
			n++
		}
		*o = (*o)[n:]
	}
	for i := range m.Commits {
		if list := m.Commits[i].Rederive; len(list) > 0 {
			*o = append(*o, openStatement{m.Position, list})
		}
	}
}
