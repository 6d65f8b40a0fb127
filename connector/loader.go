package connector

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

const (
	// loadTables is how many tables are read at once.
	loadTables = 2
	// windowKeys bounds the rows that a window remembers.
	windowKeys = 100_000
	// unappliedQuiet bounds the read rows that stores have not applied while nothing
	// else flows. Reading is faster than applying.
	unappliedQuiet = 30_000
	// liveFor is for how long after a commit others are expected.
	liveFor = 500 * time.Millisecond
	// readRetryFirst and readRetryLongest bound the pause after a chunk could not be read.
	readRetryFirst   = 250 * time.Millisecond
	readRetryLongest = 15 * time.Second
	// paceEvery is how often a job looks whether what it waits for has come:
	// stores, and the stream, which on an idle source moves only when it is asked.
	paceEvery = 20 * time.Millisecond
	// lagEvery is how often a job looks whether the stream has caught up.
	lagEvery = time.Second
	// rereadsOdd is after how many rereads in a row a table is complained about.
	rereadsOdd = 5
)

// loader does the jobs of one run beside its stream, one at a time. Its step is
// called by the goroutine that takes the stream, at boundaries between commits,
// and so is everything else that is not said to be for others.
type loader struct {
	s       *captureRun
	rec     *backfill.Recorder
	request chan chunkRequest
	results chan chunkResult
	// plans has the newest jobs to keep, and room for one; sizes the tables whose
	// size is to be estimated.
	plans chan keepPlan
	sizes chan []*tableRead
	// asks and answered carry what stores are asked for, one thing at a time; asking
	// says that it is under way.
	asks     chan keyAsk
	answered chan keyAnswer
	asking   bool
	// settling has rejects to remove, one job's at a time, and settled tells that they are.
	settling chan []RejectRef
	settled  chan struct{}
	// ended is closed with the run.
	ended chan struct{}

	// jobs are those that are not over, in the order in which they were asked for,
	// and job is the one of them that is under way.
	jobs []*job
	job  *job
	// reading counts the chunks that are being read.
	reading int
	// placed are chunks whose markers are not known to be durable, oldest first, and
	// unapplied those that stores have not applied.
	placed    []placedChunk
	unapplied []placedRows
	// window bounds the read rows that stores have not applied while transactions come.
	window  liveWindow
	arrived map[*backfill.Step]*chunkResult
	// rests is the newest message that what is kept of jobs rests on.
	rests inventory.Position
	// kept is what is kept of lookups beside the jobs: a position up to which
	// everything that was to be derived again has been, and, as an earlier run left
	// it, what was missed.
	kept keptLookups
	// answers wait until the jobs are kept; changed says that they are to be.
	answers []chan<- error
	changed bool

	// live is when the last transaction came, in unix nanoseconds, and lag how old
	// it was.
	live, lag atomic.Int64
	// active says that step has something to do.
	active atomic.Bool
	// wake is when step is to be called next, in unix nanoseconds, zero for never, and
	// starved says that it waits for stores.
	wake    atomic.Int64
	starved atomic.Bool

	mu sync.Mutex
	// commands are those that step has not done yet.
	commands []*command
	// wish is what ought to be loaded next, nil if nothing.
	wish *loadWish
	// busy says that stores' lacks are not to be judged: a load is under way, or will
	// be as soon as step sees the wish.
	busy bool
	// barrier is the position that a store must have reached for its report to count.
	barrier inventory.Position
}

type placedChunk struct {
	table  *tableRead
	step   *backfill.Step
	marker inventory.Position
	// stated counts the events.
	stated int
}

type placedRows struct {
	marker inventory.Position
	rows   int
	at     time.Time
}

type keepPlan struct {
	text    []byte
	rests   inventory.Position
	answers []chan<- error
}

func newLoader(s *captureRun) *loader {
	return &loader{
		s: s, rec: backfill.NewRecorder(windowKeys),
		request: make(chan chunkRequest, loadTables), results: make(chan chunkResult, loadTables),
		plans: make(chan keepPlan, 1), sizes: make(chan []*tableRead, 1), ended: make(chan struct{}),
		asks: make(chan keyAsk, 1), answered: make(chan keyAnswer, 1),
		settling: make(chan []RejectRef, 1), settled: make(chan struct{}, 1),
		arrived: make(map[*backfill.Step]*chunkResult),
	}
}

// record notes what a transaction touched, and that it came.
func (l *loader) record(t *cdc.Transaction, changes []cdc.NetChange) {
	now := time.Now()
	l.live.Store(now.UnixNano())
	l.lag.Store(int64(now.Sub(t.CommittedAt)))
	if l.active.Load() {
		l.rec.Record(t, changes)
	}
}

// step goes on with the jobs at a boundary that the stream has reached.
func (l *loader) step(ctx context.Context, reached cdc.Resume) error {
	if !l.active.Load() {
		return nil
	}
	l.wake.Store(0)
	l.starved.Store(false)
	l.obey()
	l.noteDurable()
	if err := l.takeResults(); err != nil {
		return err
	}
	if l.job == nil {
		l.choose()
	}
	if l.job != nil {
		if err := l.advance(ctx, reached); err != nil {
			return err
		}
	}
	l.keep()
	l.rest()
	return nil
}

// advance goes on with the current job.
func (l *loader) advance(ctx context.Context, reached cdc.Resume) error {
	switch l.job.phase {
	case jobWaiting:
		return l.start(ctx)
	case jobStarting:
		if !l.s.out.acknowledged(l.job.load) {
			return nil
		}
		l.restOn(l.job.load)
		l.job.phase = jobReading
		if l.job.paused || l.job.cancelled {
			l.stopReading()
			return l.leave(ctx)
		}
		l.open()
	case jobReading:
		l.open() // the next chunk is read while those at hand are placed
		if err := l.place(ctx, reached); err != nil {
			return err
		}
		if l.job.verify != nil {
			l.lookBack()
		}
		if l.job.kind == JobRetry {
			l.isolateAll()
		}
		l.open()
		if l.job.done() {
			return l.end(ctx)
		}
	case jobLeaving:
		return l.leave(ctx)
	case jobEnding:
		l.conclude()
	}
	return nil
}

// conclude forgets the current job once its end is durable.
func (l *loader) conclude() {
	if l.job.kind != JobRetry {
		if l.s.out.acknowledged(l.job.ends) {
			l.finish()
		}
		return
	}
	select {
	case <-l.settled:
		l.finish()
	default:
	}
}

// start begins the current job, or goes on with it.
func (l *loader) start(ctx context.Context) error {
	j := l.job
	if j.cancelled {
		j.phase = jobLeaving
		return l.leave(ctx)
	}
	if j.began.IsZero() {
		j.began = time.Now()
	}
	l.changed = true
	l.estimate(j)
	l.s.c.cfg.Logger.InfoContext(ctx, "job begins or goes on", "job", j.id, "kind", string(j.kind), "reason", j.reason, "tables", len(j.tables))
	body := j.beginning(l.s.c.cfg.Source)
	if body == nil {
		j.phase = jobReading
		l.open()
		l.wakeAt(time.Now()) // an earlier run may have read everything
		return nil
	}
	at, err := l.s.out.control(ctx, body)
	if err != nil {
		return err
	}
	failpoint.Hit("load.started")
	j.load, j.phase = at, jobStarting
	return nil
}

// noteDurable notes which markers have become durable, and has that kept.
func (l *loader) noteDurable() {
	n := 0
	for n < len(l.placed) && l.s.out.acknowledged(l.placed[n].marker) {
		l.placed[n].table.planner.Durable(l.placed[n].step)
		if l.job.verify != nil {
			l.job.verify.Stated += int64(l.placed[n].stated)
		}
		n++
	}
	if n > 0 {
		l.restOn(l.placed[n-1].marker)
		l.placed = append(l.placed[:0], l.placed[n:]...)
	}
}

// takeResults takes the chunks that have been read.
func (l *loader) takeResults() error {
	for {
		select {
		case r := <-l.results:
			l.reading--
			if err := l.take(&r); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (l *loader) take(r *chunkResult) error {
	t := r.table
	if t.planner != r.planner {
		return nil // its job was parked or is over
	}
	if r.err != nil {
		t.planner.Fail(r.step)
		t.delay = min(max(2*t.delay, readRetryFirst), readRetryLongest)
		t.notBefore, t.trouble = time.Now().Add(t.delay), r.err.Error()
		l.s.c.cfg.Logger.Warn("a chunk could not be read, will retry", "table", t.name, "error", r.err, "after", t.delay)
		l.s.c.cfg.Metrics.chunkFailures.WithLabelValues(l.s.c.cfg.Source).Inc()
		l.changed = true
		t.keys.failed(r.step.Request.Keys)
		return nil //nolint:nilerr // it is read again, and people are told
	}
	t.keys.failed(nil)
	t.delay, t.trouble = 0, ""
	if err := t.planner.Arrive(r.step, r.chunk, r.took); err != nil {
		return err
	}
	if r.given != t.given {
		return nil // it is read again
	}
	l.arrived[r.step] = r
	return nil
}

// place appends the chunks that the stream has reached.
func (l *loader) place(ctx context.Context, reached cdc.Resume) error {
	for _, t := range l.job.tables {
		for {
			step, rows, err := t.planner.Place(reached)
			if errors.Is(err, backfill.ErrReread) {
				l.reread(t, err)
				continue
			}
			if err != nil {
				return err
			}
			if step == nil {
				break
			}
			if t.rereads > 0 {
				t.rereads, t.trouble = 0, ""
			}
			if err := l.append(ctx, t, step, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// reread drops what was prepared for chunks of t, which are read again, and
// complains if that happens time after time.
func (l *loader) reread(t *tableRead, why error) {
	l.s.c.cfg.Metrics.chunksReread.WithLabelValues(l.s.c.cfg.Source).Inc()
	l.forget(t)
	t.rereads++
	if t.rereads%rereadsOdd == 0 {
		t.trouble = "its chunks are read again and again: " + why.Error()
		l.changed = true
		l.s.c.cfg.Logger.Warn("chunks of a table are read again and again, because it changes faster than it is read",
			"table", t.name, "times", t.rereads, "error", why)
	}
}

// forget drops what was prepared for chunks of t, and what still comes for them.
func (l *loader) forget(t *tableRead) {
	t.given++
	for step, r := range l.arrived {
		if r.table == t {
			delete(l.arrived, step)
		}
	}
}

// append appends what of a chunk goes into the log, and its marker.
func (l *loader) append(ctx context.Context, t *tableRead, step *backfill.Step, placed []backfill.Placed) error {
	prepared := l.arrived[step]
	delete(l.arrived, step)
	if t.mapsLate() {
		if err := l.s.late.mapRows(prepared); err != nil {
			return err
		}
	}
	r, err := l.gather(t, prepared, placed)
	if err != nil {
		return err
	}
	if err := l.s.out.rows(ctx, r); err != nil {
		return err
	}
	failpoint.Hit("load.stated")
	cursor := step.Cursor()
	marker := l.job.marker(t)
	verifies := l.job.verify != nil
	marker.Last, marker.Rows, marker.Done = cursor.After, prepared.chunk.Read(), cursor.Done && !verifies
	at, err := l.s.out.control(ctx, inventory.AppendChunk(nil, l.s.c.cfg.Source, &marker))
	if err != nil {
		return err
	}
	failpoint.Hit("load.marked")
	if !verifies || !t.keys.begun {
		t.rows += int64(prepared.chunk.Read())
	}
	l.placed = append(l.placed, placedChunk{t, step, at, len(r.events)})
	l.unapplied = append(l.unapplied, placedRows{at, len(r.events), time.Now()})
	m := l.s.c.cfg.Metrics
	m.chunks.WithLabelValues(l.s.c.cfg.Source).Inc()
	m.chunkRows.WithLabelValues(l.s.c.cfg.Source).Add(float64(prepared.chunk.Read()))
	return nil
}

// gather picks the events of the rows that are placed.
func (l *loader) gather(t *tableRead, prepared *chunkResult, placed []backfill.Placed) (*readRows, error) {
	if l.job.verify != nil {
		return l.compared(t, prepared, placed), nil
	}
	if l.job.kind == JobRetry {
		return l.retried(t, prepared, placed), nil
	}
	r := &readRows{load: l.job.load, name: readName, readAt: prepared.chunk.ReadAt}
	each := len(t.mappings)
	r.events = make([][]byte, 0, len(placed)*each)
	for _, p := range placed {
		for i := p.Index * each; i < (p.Index+1)*each; i++ {
			if reject, ok := prepared.rejects[i]; ok {
				if l.s.c.cfg.StopOnReject {
					return nil, &RejectError{Reject: reject}
				}
				r.rejects = append(r.rejects, reject)
			}
			if event := prepared.stated.at(i); len(event) > 0 {
				r.events = append(r.events, event)
			}
		}
	}
	return r, nil
}

// open has the next chunks read, as far as stores and the source keep up.
func (l *loader) open() {
	now := time.Now()
	room := l.room(now)
	if l.job.pace.MaxLag > 0 && l.flows(now) && time.Duration(l.lag.Load()) > l.job.pace.MaxLag {
		l.wakeAt(now.Add(lagEvery))
		return
	}
	bound := 0
	if l.flows(now) {
		bound = l.window.chunk()
	}
	for _, t := range l.job.tables {
		if l.reading == loadTables {
			return // the next result calls step
		}
		if room <= 0 {
			l.waitForStores(now)
			return
		}
		if now.Before(t.notBefore) {
			l.wakeAt(t.notBefore)
			continue
		}
		t.planner.Bound(bound)
		step := t.planner.Open(l.rec, now)
		if step == nil {
			if wait := t.planner.Wait(now); wait > 0 {
				l.wakeAt(now.Add(wait))
			}
			continue
		}
		l.reading++
		room -= step.Request.Limit
		l.request <- chunkRequest{t, t.planner, t.given, step, l.s.c.cfg.Adapter.Mark(), l.job.kind == JobLoad}
	}
}

// end ends the current job when everything that was read is durable.
func (l *loader) end(ctx context.Context) error {
	if l.job.kind == JobRetry && !l.job.cancelled {
		l.settle()
		return nil
	}
	body := l.job.ending(l.s.c.cfg.Source)
	if body == nil {
		l.finish()
		return nil
	}
	at, err := l.s.out.control(ctx, body)
	if err != nil {
		return err
	}
	failpoint.Hit("load.ended")
	l.job.ends, l.job.phase = at, jobEnding
	return nil
}

// leave ends or parks the current job, of which nothing is read any more, when
// what was placed is durable.
func (l *loader) leave(ctx context.Context) error {
	switch {
	case len(l.placed) > 0:
		return nil
	case l.job.cancelled:
		return l.end(ctx)
	}
	l.job.park()
	l.job, l.unapplied, l.changed = nil, nil, true
	l.wakeAt(time.Now())
	return nil
}

// finish forgets the current job, which is over.
func (l *loader) finish() {
	j := l.job
	state := JobCompleted
	if j.cancelled {
		state = JobCancelled
	}
	if !j.ends.IsZero() {
		l.restOn(j.ends)
		l.mu.Lock()
		l.barrier = j.ends
		l.mu.Unlock()
	}
	if j.verify != nil && state == JobCompleted {
		l.s.c.cfg.Metrics.verified.ended.WithLabelValues(l.s.c.cfg.Source).SetToCurrentTime()
	}
	if j.kind == JobLoad && state == JobCompleted {
		l.s.c.cfg.Metrics.loads.WithLabelValues(l.s.c.cfg.Source).Inc()
	}
	l.over(j, state)
	l.job, l.placed, l.unapplied = nil, nil, nil
	l.wakeAt(time.Now())
}
