package connector

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

const (
	// loadTables is how many tables are read at once.
	loadTables = 2
	// windowKeys bounds the rows that a window remembers.
	windowKeys = 100_000
	// unappliedQuiet and unappliedLive bound the read rows that stores have not
	// applied: while nothing else flows, and while it does. Reading is faster than
	// applying, and live changes must not queue behind it.
	unappliedQuiet = 60_000
	unappliedLive  = 4_000
	// liveFor is for how long after a commit others are expected.
	liveFor = 500 * time.Millisecond
	// readRetryFirst and readRetryLongest bound the pause after a chunk could not be read.
	readRetryFirst   = 250 * time.Millisecond
	readRetryLongest = 15 * time.Second
)

// loader loads tables beside the stream of one run. Its step is called by the
// goroutine that takes the stream, at boundaries between commits, and so is
// everything else that is not said to be for others.
type loader struct {
	s       *captureRun
	rec     *backfill.Recorder
	request chan chunkRequest
	results chan chunkResult
	// plans has the newest plan to keep, and room for one.
	plans chan keepPlan

	job *loadJob
	// placed are chunks whose markers are not known to be durable, oldest first, and
	// unapplied those that stores have not applied.
	placed    []placedChunk
	unapplied []placedRows
	arrived   map[*backfill.Step]*chunkResult

	// live is when the last transaction came, in unix nanoseconds.
	live atomic.Int64

	// active says that step has something to do.
	active atomic.Bool
	// blocked says that reading waits for stores to apply.
	blocked atomic.Bool

	mu sync.Mutex
	// wish is what ought to be loaded next, nil if nothing.
	wish *loadWish
	// busy says that a load is under way, or will be as soon as step sees the wish.
	busy bool
	// barrier is the position that a store must have reached for its report to count.
	barrier inventory.Position
}

type placedChunk struct {
	table  *tableLoad
	step   *backfill.Step
	marker inventory.Position
}

type placedRows struct {
	marker inventory.Position
	rows   int
}

type keepPlan struct {
	text  []byte
	rests inventory.Position
}

func newLoader(s *captureRun) *loader {
	return &loader{
		s: s, rec: backfill.NewRecorder(windowKeys),
		request: make(chan chunkRequest, loadTables), results: make(chan chunkResult, loadTables),
		plans: make(chan keepPlan, 1), arrived: make(map[*backfill.Step]*chunkResult),
	}
}

// record notes what a transaction touched.
func (l *loader) record(t *cdc.Transaction, changes []cdc.NetChange) {
	if l.active.Load() {
		l.rec.Record(t, changes)
		l.live.Store(time.Now().UnixNano())
	}
}

// step goes on with the load at a boundary that the stream has reached.
func (l *loader) step(ctx context.Context, reached cdc.Resume) error {
	if !l.active.Load() {
		return nil
	}
	if l.job == nil {
		return l.start(ctx)
	}
	l.settle()
	switch l.job.phase {
	case loadStarting:
		if l.s.out.acknowledged(l.job.id) {
			l.job.phase = loadReading
			l.keep(l.job.id)
			l.open()
		}
	case loadReading:
		if err := l.takeResults(); err != nil {
			return err
		}
		if err := l.place(ctx, reached); err != nil {
			return err
		}
		l.open()
		return l.complete(ctx)
	case loadEnding:
		if l.s.out.acknowledged(l.job.ends) {
			l.finish(ctx)
		}
	}
	return nil
}

// start begins the load that is wished for.
func (l *loader) start(ctx context.Context) error {
	l.mu.Lock()
	wish := l.wish
	l.wish = nil
	l.mu.Unlock()
	if wish == nil {
		l.active.Store(false)
		return nil
	}
	job := newLoadJob(*wish, l.s.mappings, time.Now())
	started := &inventory.LoadStarted{Feeds: wish.feeds, Stores: wish.stores, Reason: wish.reason}
	id, err := l.s.out.control(ctx, inventory.AppendLoadStarted(nil, l.s.c.cfg.Source, started))
	if err != nil {
		return err
	}
	job.id, l.job = id, job
	l.s.c.cfg.Logger.InfoContext(ctx, "load started", "load", id.String(), "reason", wish.reason, "tables", len(wish.feeds))
	return nil
}

// resume goes on with the load that an earlier run left.
func (l *loader) resume(job *loadJob) {
	l.job = job
	l.busy = true
	l.active.Store(true)
}

// settle notes which markers have become durable, and has the plan kept.
func (l *loader) settle() {
	n := 0
	for n < len(l.placed) && l.s.out.acknowledged(l.placed[n].marker) {
		l.placed[n].table.planner.Durable(l.placed[n].step)
		n++
	}
	if n > 0 {
		l.keep(l.placed[n-1].marker)
		l.placed = append(l.placed[:0], l.placed[n:]...)
	}
}

// keep has the plan kept in the background; a newer one replaces it.
func (l *loader) keep(rests inventory.Position) { l.offer(keepPlan{l.job.encode(), rests}) }

func (l *loader) offer(p keepPlan) {
	select {
	case <-l.plans:
	default:
	}
	l.plans <- p
	l.s.progress.Set("load", l.job.status())
}

// takeResults takes the chunks that have been read.
func (l *loader) takeResults() error {
	for {
		select {
		case r := <-l.results:
			if err := l.take(r); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (l *loader) take(r chunkResult) error {
	t := r.table
	t.reading = false
	if r.err != nil {
		t.planner.Fail(r.step)
		t.delay = min(max(2*t.delay, readRetryFirst), readRetryLongest)
		t.notBefore, t.trouble = time.Now().Add(t.delay), r.err.Error()
		l.s.c.cfg.Logger.Warn("a chunk could not be read, will retry", "table", t.feed.Table, "error", r.err, "after", t.delay)
		l.s.c.cfg.Metrics.chunkFailures.WithLabelValues(l.s.c.cfg.Source).Inc()
		time.AfterFunc(t.delay, l.s.c.cfg.Adapter.Nudge)
		return nil
	}
	t.delay, t.trouble = 0, ""
	if err := t.planner.Arrive(r.step, r.chunk, r.took); err != nil {
		return err
	}
	l.arrived[r.step] = &r
	return nil
}

// place appends the chunks that the stream has reached.
func (l *loader) place(ctx context.Context, reached cdc.Resume) error {
	for _, t := range l.job.tables {
		for {
			step, rows, err := t.planner.Place(reached)
			if errors.Is(err, backfill.ErrReread) {
				l.s.c.cfg.Metrics.chunksReread.WithLabelValues(l.s.c.cfg.Source).Inc()
				l.forget(t)
				continue
			}
			if err != nil {
				return err
			}
			if step == nil {
				break
			}
			if err := l.append(ctx, t, step, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops what was prepared for chunks of t, which are read again.
func (l *loader) forget(t *tableLoad) {
	for step, r := range l.arrived {
		if r.table == t {
			delete(l.arrived, step)
		}
	}
}

// append appends what of a chunk goes into the log, and its marker.
func (l *loader) append(ctx context.Context, t *tableLoad, step *backfill.Step, placed []backfill.Placed) error {
	prepared := l.arrived[step]
	delete(l.arrived, step)
	r := &readRows{load: l.job.id, name: readName, readAt: prepared.chunk.ReadAt}
	for _, p := range placed {
		e := prepared.events[p.Index]
		e.Row = p.Key
		if reject, ok := prepared.rejects[p.Index]; ok {
			if l.s.c.cfg.StopOnReject {
				return &RejectError{Reject: reject}
			}
			r.rejects = append(r.rejects, reject)
		} else if len(e.Contributions) == 0 {
			continue // the new feed holds nothing of the row anyway
		}
		r.events = append(r.events, e)
	}
	if err := l.s.out.rows(ctx, r); err != nil {
		return err
	}
	cursor := step.Cursor()
	marker := &inventory.ChunkMarker{
		Load: l.job.id, Table: t.feed.Table, Last: cursor.After, Rows: len(prepared.chunk.Rows), Done: cursor.Done,
	}
	at, err := l.s.out.control(ctx, inventory.AppendChunk(nil, l.s.c.cfg.Source, marker))
	if err != nil {
		return err
	}
	t.rows += int64(len(prepared.chunk.Rows))
	l.placed = append(l.placed, placedChunk{t, step, at})
	l.unapplied = append(l.unapplied, placedRows{at, len(r.events)})
	m := l.s.c.cfg.Metrics
	m.chunks.WithLabelValues(l.s.c.cfg.Source).Inc()
	m.chunkRows.WithLabelValues(l.s.c.cfg.Source).Add(float64(len(prepared.chunk.Rows)))
	return nil
}

// open has the next chunks read, as far as stores keep up.
func (l *loader) open() {
	now := time.Now()
	reading := 0
	for _, t := range l.job.tables {
		if t.reading {
			reading++
		}
	}
	room := l.room(now)
	l.blocked.Store(room <= 0)
	for _, t := range l.job.tables {
		if reading == loadTables || room <= 0 {
			return
		}
		if t.reading || now.Before(t.notBefore) {
			continue
		}
		step := t.planner.Open(l.rec, now)
		if step == nil {
			continue
		}
		t.reading = true
		reading++
		room -= step.Request.Limit
		l.request <- chunkRequest{t, step, l.s.c.cfg.Adapter.Mark()}
	}
}

// room returns how many more rows may be on their way to the stores.
func (l *loader) room(now time.Time) int {
	applied := l.applied()
	n := 0
	for n < len(l.unapplied) && l.unapplied[n].marker.Compare(applied) <= 0 {
		n++
	}
	l.unapplied = append(l.unapplied[:0], l.unapplied[n:]...)
	room := unappliedQuiet
	if l.flows(now) {
		room = unappliedLive
	}
	for _, p := range l.unapplied {
		room -= p.rows
	}
	for _, r := range l.arrived {
		room -= len(r.events)
	}
	return room
}

// flows reports whether transactions come at present. For any goroutine.
func (l *loader) flows(now time.Time) bool { return now.UnixNano()-l.live.Load() < int64(liveFor) }

// applied is the position that every store of the load has applied. Stores that
// were forgotten meanwhile are not waited for.
func (l *loader) applied() inventory.Position {
	lowest := inventory.Position{Run: math.MaxUint64}
	for _, r := range l.s.run.Reports() {
		if slices.Contains(l.job.stores, r.Store) && r.LogID == l.s.start.LogID && r.Position.Before(lowest) {
			lowest = r.Position
		}
	}
	return lowest
}

// complete ends the load when everything that was read is durable.
func (l *loader) complete(ctx context.Context) error {
	if !l.job.done() {
		return nil
	}
	at, err := l.s.out.control(ctx, inventory.AppendLoadCompleted(nil, l.s.c.cfg.Source, inventory.LoadCompleted{Load: l.job.id}))
	if err != nil {
		return err
	}
	l.job.ends, l.job.phase = at, loadEnding
	return nil
}

// finish forgets a load whose end is durable.
func (l *loader) finish(ctx context.Context) {
	rows := int64(0)
	for _, t := range l.job.tables {
		rows += t.rows
	}
	l.s.c.cfg.Logger.InfoContext(ctx, "load completed", "load", l.job.id.String(), "rows", rows,
		"took", time.Since(l.job.began).Round(time.Millisecond))
	l.s.c.cfg.Metrics.loads.WithLabelValues(l.s.c.cfg.Source).Inc()
	l.offer(keepPlan{rests: l.job.ends})
	l.s.progress.Set("load", nil)
	l.mu.Lock()
	l.barrier, l.busy = l.job.ends, false
	l.mu.Unlock()
	l.job, l.placed, l.unapplied = nil, nil, nil
	l.active.Store(false)
}

// wishFor asks for a load, unless one is under way. For any goroutine.
func (l *loader) wishFor(w loadWish) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		return
	}
	l.wish, l.busy = &w, true
	l.active.Store(true)
	l.s.c.cfg.Adapter.Nudge()
}

// judges returns the position from which on reports of stores count, and false
// while a load is under way. For any goroutine.
func (l *loader) judges() (inventory.Position, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.barrier, !l.busy
}

// acked has step called soon if it may wait for an acknowledgement: while
// transactions come, they call it. For any goroutine.
func (l *loader) acked(inventory.Position) {
	if l.active.Load() && !l.flows(time.Now()) {
		l.s.c.cfg.Adapter.Nudge()
	}
}

// pace has step called while it waits for stores, until ctx ends.
func (l *loader) pace(ctx context.Context) error {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if l.blocked.Load() && l.active.Load() {
				l.s.c.cfg.Adapter.Nudge()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// paceEvery is how often a load that waits for stores looks whether they have gone on.
const paceEvery = 20 * time.Millisecond

// keepPlans keeps plans in the state as they come, until ctx ends.
func (l *loader) keepPlans(ctx context.Context) error {
	for {
		select {
		case p := <-l.plans:
			if err := l.s.run.KeepPlan(ctx, p.text, p.rests); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
