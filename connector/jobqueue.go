package connector

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/internal/failpoint"
)

// reasonAsked is why there is a job that an operator asked for.
const reasonAsked = "asked for"

// newAsked returns the job that spec asks for, which is not one of l's yet.
func (l *loader) newAsked(id string, spec *JobSpec) (*job, error) {
	if spec.Throttle < 0 || spec.MaxLag < 0 {
		return nil, &JobError{"a limit is not negative"}
	}
	switch spec.Kind {
	case JobLoad:
		return l.newAskedLoad(id, spec)
	case JobBackfill:
		return l.newAskedBackfill(id, spec)
	case JobVerify:
		return l.newAskedVerify(id, spec)
	case JobRetry:
		return l.newAskedRetry(id, spec)
	}
	return nil, &JobError{"there is no kind of job " + strconv.Quote(string(spec.Kind))}
}

func (l *loader) newAskedLoad(id string, spec *JobSpec) (*job, error) {
	if spec.From != nil || spec.To != nil || spec.Where != "" {
		return nil, &JobError{"a load is of whole tables"}
	}
	w := loadWish{reason: reasonAsked}
	for _, f := range l.s.configured {
		if len(spec.Tables) == 0 || slices.Contains(spec.Tables, f.Table) {
			w.feeds = append(w.feeds, f)
		}
	}
	for _, name := range spec.Tables {
		if !slices.ContainsFunc(w.feeds, func(f inventory.FeedName) bool { return f.Table == name }) {
			return nil, l.unmapped(name)
		}
	}
	part := len(w.feeds) < len(l.s.configured)
	for _, r := range l.s.run.Reports() {
		if r.LogID != l.s.start.LogID {
			continue
		}
		if part && !r.counts() {
			// Nobody is to see one table of a source without the others.
			return nil, &JobError{fmt.Sprintf("store %s holds nothing of source %s yet: its first load is of all tables", r.Store, l.s.c.cfg.Source)}
		}
		w.stores = append(w.stores, r.Store)
	}
	slices.Sort(w.stores)
	if len(w.stores) == 0 {
		return nil, &JobError{"no store has reported that it reads the log of source " + l.s.c.cfg.Source + ": there is nothing to load into"}
	}
	j := newLoad(id, w, l.s.mappings, time.Now())
	j.plan(spec.JobPace)
	return j, nil
}

func (l *loader) newAskedBackfill(id string, spec *JobSpec) (*job, error) {
	if len(spec.Tables) != 1 {
		return nil, &JobError{"a backfill of a part is of one table"}
	}
	t := newTableRead(spec.Tables[0], l.s.mappings)
	if t == nil {
		return nil, l.unmapped(spec.Tables[0])
	}
	j := &job{
		id: id, kind: JobBackfill, reason: reasonAsked, asked: time.Now(),
		from: spec.From, to: spec.To, where: spec.Where, tables: []*tableRead{t},
	}
	if spec.Where != "" {
		var err error
		if j.condition, err = mapping.ParseCondition(spec.Where); err != nil {
			return nil, &JobError{err.Error()}
		}
	}
	j.plan(spec.JobPace)
	return j, nil
}

func (l *loader) unmapped(table string) error {
	return &JobError{fmt.Sprintf("source %s has no mapping of table %s", l.s.c.cfg.Source, table)}
}

// command has step do c. For any goroutine.
func (l *loader) command(c *command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, c)
	l.activate()
}

// activate has step called soon. mu must be held.
func (l *loader) activate() {
	l.active.Store(true)
	l.wake.Store(time.Now().UnixNano())
	l.s.c.cfg.Adapter.Nudge()
}

// wishFor asks for a load, unless one is under way. For any goroutine.
func (l *loader) wishFor(w loadWish) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		return
	}
	l.wish, l.busy = &w, true
	l.activate()
}

// judges returns the position from which on reports of stores count, and false
// while a load is under way. For any goroutine.
func (l *loader) judges() (inventory.Position, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.barrier, !l.busy
}

// obey does what was asked of the jobs since the last time.
func (l *loader) obey() {
	l.mu.Lock()
	commands, wish := l.commands, l.wish
	l.commands, l.wish = nil, nil
	l.mu.Unlock()
	for _, c := range commands {
		err := c.do(l)
		if err != nil || !c.keep {
			c.reply <- err
			continue
		}
		l.answers = append(l.answers, c.reply)
		l.changed = true
	}
	if wish != nil && !l.loads() {
		j := newLoad(l.s.c.jobs.newID(time.Now()), *wish, l.s.mappings, time.Now())
		j.needed = true
		l.add(j)
		l.yield()
	}
}

// loads reports whether a load is under way, or parked, or needed anyway: its end
// decides what is lacking then.
func (l *loader) loads() bool {
	return slices.ContainsFunc(l.jobs, func(j *job) bool {
		return j.kind == JobLoad && (j.started() || j.needed || j == l.job)
	})
}

func (l *loader) add(j *job) {
	l.jobs = append(l.jobs, j)
	l.changed = true
}

// yield has the current job make room for a more urgent one, unless it is a load:
// stores have one of a source at a time.
func (l *loader) yield() {
	if l.job != nil && l.job.kind != JobLoad {
		l.stopReading()
	}
}

// stopReading gives up what of the current job is being read.
func (l *loader) stopReading() {
	if l.job.phase != jobReading {
		return
	}
	l.job.suspend()
	for _, t := range l.job.tables {
		l.forget(t)
	}
	l.job.phase = jobLeaving
}

// pause has j wait until it is resumed.
func (l *loader) pause(j *job) error {
	if err := l.changeable(j); err != nil {
		return err
	}
	j.paused = true
	if j == l.job {
		l.stopReading()
	}
	return nil
}

// cancel gives j up.
func (l *loader) cancel(j *job) error {
	if j.needed {
		return &JobError{fmt.Sprintf("job %s loads what stores lack (%s), and would begin anew at once: pause it instead", j.id, j.reason)}
	}
	if err := l.changeable(j); err != nil {
		return err
	}
	j.cancelled, j.paused = true, false
	switch {
	case j == l.job:
		l.stopReading()
	case j.started():
		l.yield() // stores must be told
	default:
		l.over(j, JobCancelled)
	}
	return nil
}

// changeable fails if the end of j is on its way already.
func (l *loader) changeable(j *job) error {
	if j.phase == jobEnding || j.cancelled {
		return &JobError{fmt.Sprintf("job %s is ending", j.id)}
	}
	return nil
}

// choose makes the job the current one that comes next, if there is one.
func (l *loader) choose() {
	urgency := func(j *job) int {
		switch {
		case j.cancelled:
			return 4
		case j.paused, j.kind == JobLoad && !j.started() && l.anotherStarted(j):
			return 0
		case j.needed:
			return 3
		case j.kind == JobRetry:
			return 2 // a few rows, for which somebody waits
		}
		return 1
	}
	best := 0
	for _, j := range l.jobs {
		if u := urgency(j); u > best {
			best, l.job = u, j
		}
	}
}

// anotherStarted reports whether stores hold feeds of another load than j.
func (l *loader) anotherStarted(j *job) bool {
	return slices.ContainsFunc(l.jobs, func(other *job) bool { return other != j && other.started() })
}

// over forgets j, which ended in the given state.
func (l *loader) over(j *job, state JobState) {
	l.jobs = slices.DeleteFunc(l.jobs, func(other *job) bool { return other == j })
	l.changed = true
	s := j.status(l.s.c.cfg.Source)
	s.State, s.Ended, s.Waits = state, time.Now(), ""
	l.s.c.jobs.over(s)
	l.s.c.cfg.Logger.Info("job over", "job", j.id, "kind", string(j.kind), "state", string(state), "load", s.Load, "rows", s.Rows,
		"took", s.Ended.Sub(j.asked).Round(time.Millisecond))
}

// keep has the jobs kept in the background if they changed, and shows them. What
// is newer replaces what was not kept yet.
func (l *loader) keep() {
	if !l.changed && len(l.answers) == 0 {
		return
	}
	if l.rests.IsZero() && len(l.jobs) > 0 {
		l.rests = l.s.out.place().tail
		if l.rests.IsZero() {
			l.wakeAt(time.Now().Add(paceEvery)) // the run's first message is not durable yet
			return
		}
	}
	p := keepPlan{text: encodeJobs(l.jobs, l.kept.rederived, l.s.lookups.keepMissed(), l.s.spellings.collisions()), rests: l.rests, answers: l.answers}
	select {
	case older := <-l.plans:
		p.answers = append(older.answers, p.answers...)
	default:
	}
	l.plans <- p
	l.answers, l.changed = nil, false
	l.show()
}

// restOn notes that what is kept rests on the message at p, too.
func (l *loader) restOn(p inventory.Position) {
	if l.rests.Before(p) {
		l.rests = p
	}
	l.changed = true
}

// keepCursor has kept that everything up to cursor was derived again, which rests
// on the message at rests.
func (l *loader) keepCursor(cursor, rests inventory.Position) {
	l.kept.rederived = cursor
	l.restOn(rests)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.activate()
}

// keepCollisions has the part numbers that became one kept, and shown, if they changed.
func (l *loader) keepCollisions() {
	tail := l.s.out.place().tail
	if tail.IsZero() || !l.s.spellings.takeFresh() {
		return // what is kept rests on a message that is durable
	}
	known := l.s.spellings.collisions()
	l.s.progress.Set("partno_collisions", known[:min(len(known), shownCollisions)])
	l.changed = true
	l.restOn(tail)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.activate()
}

// show shows the jobs.
func (l *loader) show() {
	statuses := make([]JobStatus, len(l.jobs))
	for i, j := range l.jobs {
		statuses[i] = j.status(l.s.c.cfg.Source)
	}
	l.s.c.jobs.show(statuses)
	l.s.progress.Set("jobs", statuses)
}

// rest decides whether step has anything to do before it is asked to.
func (l *loader) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = l.wish != nil || l.loads()
	idle := l.job == nil && len(l.commands) == 0 && l.wish == nil && !l.changed && len(l.answers) == 0
	switch {
	case idle && l.wake.Load() == 0:
		l.active.Store(false)
	case l.job != nil && (l.waiting() || l.unacknowledged()):
		l.wakeAt(time.Now().Add(paceEvery))
	}
}

// waiting reports whether a chunk was read that the stream has not reached yet.
func (l *loader) waiting() bool {
	return slices.ContainsFunc(l.job.tables, func(t *tableRead) bool { return t.planner.Waiting() })
}

// unacknowledged reports whether the current job waits for something that was
// appended to become durable.
func (l *loader) unacknowledged() bool {
	return len(l.placed) > 0 || l.job.phase == jobStarting || l.job.phase == jobEnding
}

// wakeAt has step called at t, if nothing calls it before.
func (l *loader) wakeAt(t time.Time) {
	at := t.UnixNano()
	if held := l.wake.Load(); held == 0 || at < held {
		l.wake.Store(at)
	}
}

// acked has step called soon if it may wait for an acknowledgement: while
// transactions come, they call it. For any goroutine.
func (l *loader) acked(inventory.Position) {
	if l.active.Load() && !l.flows(time.Now()) {
		l.s.c.cfg.Adapter.Nudge()
	}
}

// tick has step called when that is due, until ctx ends.
func (l *loader) tick(ctx context.Context) error {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if at := l.wake.Load(); at != 0 && at <= now.UnixNano() {
				l.s.c.cfg.Adapter.Nudge()
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// keepPlans keeps jobs in the state as they come, until ctx ends.
func (l *loader) keepPlans(ctx context.Context) error {
	for {
		select {
		case p := <-l.plans:
			if err := l.s.run.KeepPlan(ctx, p.text, p.rests); err != nil {
				return err
			}
			failpoint.Hit("load.kept")
			for _, answer := range p.answers {
				answer <- nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// estimate has the sizes of the tables of j estimated, if it reads them whole.
func (l *loader) estimate(j *job) {
	if j.from != nil || j.to != nil || j.kind == JobRetry {
		return
	}
	select {
	case <-l.sizes:
	default:
	}
	l.sizes <- j.tables
}

// estimates estimates sizes as they are asked for, until ctx ends.
func (l *loader) estimates(ctx context.Context) error {
	for {
		select {
		case tables := <-l.sizes:
			for _, t := range tables {
				rows, err := l.s.c.cfg.Adapter.Estimate(ctx, t.table)
				if err != nil {
					l.s.c.cfg.Logger.DebugContext(ctx, "the size of a table is not known", "table", t.name, "error", err)
				}
				t.estimate.Store(rows)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// resumeJobs goes on with the jobs that an earlier run left, as far as they still
// lead to what is configured.
func (s *captureRun) resumeJobs(ctx context.Context) error {
	l := s.load
	l.barrier = inventory.Position{Run: s.start.Run} // of the message that says what is captured
	text, err := s.run.Plan(ctx)
	if err != nil {
		return fmt.Errorf("read jobs of source %s: %w", s.c.cfg.Source, err)
	}
	if s.findGap(); text == nil || s.c.gap != nil {
		// Behind a gap everything is loaded anew. What is left of a plan must not
		// count again.
		s.c.jobs.show(nil)
		return s.run.KeepPlan(ctx, nil, inventory.Position{})
	}
	jobs, dropped, kept, err := decodeJobs(text, s.mappings, s.configured)
	if err != nil {
		return err
	}
	for i := range dropped {
		d := &dropped[i]
		s.c.cfg.Logger.WarnContext(ctx, "a job is dropped: what is captured has changed", "job", d.ID, "kind", string(d.Kind))
		s.c.jobs.over(JobStatus{ID: d.ID, Source: s.c.cfg.Source, Kind: d.Kind, State: JobDropped, Reason: d.Reason, Asked: d.Asked, Ended: time.Now()})
	}
	for _, j := range jobs {
		s.c.cfg.Logger.InfoContext(ctx, "job found", "job", j.id, "kind", string(j.kind), "state", string(j.state()), "reason", j.reason)
	}
	s.spellings.recall(kept.collisions)
	l.jobs, l.kept, l.changed = jobs, kept, true
	l.rests = s.start.Tail
	l.busy = l.loads()
	l.active.Store(true)
	l.wake.Store(time.Now().UnixNano())
	l.show()
	return nil
}
