package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/internal/failpoint"
)

// CaptureConfig is what a capture works with.
type CaptureConfig struct {
	Source   string
	Adapter  Source
	Log      Log
	Lease    Lease
	Mappings []*mapping.Mapping
	// StopOnReject halts the capture at a row that cannot be mapped, instead of
	// keeping the row among the rejects and going on.
	StopOnReject bool
	// HaltOnGap halts the capture when the source cannot deliver what comes next,
	// instead of stating the gap in the log and loading the tables anew.
	HaltOnGap bool
	// Keep is how long applied messages stay in the log.
	Keep time.Duration
	// Open opens the log for reading, to find what earlier runs left to be derived
	// again. It is needed by mappings with lookups only.
	Open OpenLogFunc
	// AskKeys asks stores for their row keys, for verifications: without it, rows that
	// only stores have are not found.
	AskKeys AskKeysFunc
	Metrics *Metrics
	Logger  *slog.Logger
}

// Capture fills one source's log: it tails the source, nets each commit per row,
// maps the rows and appends whole commits. The log's tail is its checkpoint.
type Capture struct {
	cfg CaptureConfig
	// gap is a loss of continuity that has not been stated in the log yet.
	gap *cdc.GapError
	// formerly says that the run captures mappings which are not configured any more;
	// plain that it must not, because they do not fit their tables.
	formerly, plain bool
	jobs            *Jobs
}

// NewCapture returns a Capture. It does nothing until Run.
func NewCapture(cfg CaptureConfig) *Capture {
	return &Capture{cfg: cfg, jobs: &Jobs{source: cfg.Source}}
}

// Jobs are the capture's: what it does on whole tables beside the stream.
func (c *Capture) Jobs() *Jobs { return c.jobs }

// Run begins one run and captures until ctx ends or something fails. When ctx
// ends it appends what it has taken and waits for the acks; it returns nil, or why
// it could not: the next run takes that again.
func (c *Capture) Run(ctx context.Context, progress Progress) error {
	for {
		err := c.once(ctx, progress)
		if !c.beginsAnew(ctx, err) {
			return err
		}
	}
}

// beginsAnew decides whether another run is to begin at once after err.
func (c *Capture) beginsAnew(ctx context.Context, err error) bool {
	var gap *cdc.GapError
	var setup *cdc.SetupError
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, errCapturedChanged):
		return true
	case errors.As(err, &gap) && c.gap == nil && !c.cfg.HaltOnGap:
		c.cfg.Logger.ErrorContext(ctx, "changes of the source are lost; its tables are loaded anew", "error", err)
		c.cfg.Metrics.gaps.WithLabelValues(c.cfg.Source).Inc()
		c.gap = gap
		return true
	case errors.As(err, &setup) && !c.plain && c.formerly:
		c.cfg.Logger.WarnContext(ctx, "a mapping of earlier does not fit any more: what it counts is stale until the load is done", "error", err)
		c.plain = true
		return true
	}
	return false
}

// errCapturedChanged ends a run that captures what nobody needs any more.
var errCapturedChanged = errors.New("the captured set changed")

// once is one run.
func (c *Capture) once(ctx context.Context, progress Progress) error {
	run, err := c.begin(ctx)
	if err != nil {
		return drained(ctx, err)
	}
	defer run.Close() //nolint:errcheck // what is in flight is settled, or the next run settles it
	failpoint.Hit("capture.begun")
	mappings, err := c.mappings(ctx, run)
	if err != nil {
		return drained(ctx, err)
	}
	c.cfg.Metrics.runs.WithLabelValues(c.cfg.Source).Inc()
	start := run.Start()
	progress.Set("run", start.Run)
	c.cfg.Logger.InfoContext(ctx, "run begun", "run", start.Run, "log", start.LogID,
		"tail", start.Tail.String(), "resume", string(start.Resume))

	s := &captureRun{
		c: c, run: run, start: start, progress: progress, mappings: mappings,
		derive: newDeriver(mappings), configured: newDeriver(c.cfg.Mappings).feedNames(),
		out: newAppender(c.cfg.Source, run, c.cfg.Metrics),
	}
	s.spellings = newSpellings(c.cfg.Logger, c.cfg.Metrics.partnoCollisions.WithLabelValues(c.cfg.Source))
	s.derive.lookups = s.spellings.listens(mapping.NewLookups())
	s.load = newLoader(s)
	s.out.onAck = s.load.acked
	if err := s.resumeJobs(ctx); err != nil {
		return drained(ctx, err)
	}
	if err := s.resumeLookups(ctx); err != nil {
		return drained(ctx, err)
	}
	c.jobs.attach(s.load)
	defer c.jobs.detach(s.load)
	defer close(s.load.ended)
	return s.work(ctx)
}

// mappings returns what the run captures: the configured mappings, and those under
// which some store still counts a table, until their successors are loaded.
func (c *Capture) mappings(ctx context.Context, run Run) ([]*mapping.Mapping, error) {
	out := slices.Clone(c.cfg.Mappings)
	c.formerly = false
	if c.plain {
		return out, nil
	}
	for _, f := range countedOtherwise(newDeriver(c.cfg.Mappings).feedNames(), run.Reports()) {
		text, err := run.Mapping(ctx, f.Mapping)
		if err != nil {
			return nil, fmt.Errorf("read mapping %s of table %s: %w", f.Mapping, f.Table, err)
		}
		if text == nil {
			continue // what it counts is stale until the load is done
		}
		m, err := mapping.Parse(text)
		if err != nil {
			c.cfg.Logger.WarnContext(ctx, "a mapping of earlier cannot be read: what it counts is stale until the load is done",
				"table", f.Table, "mapping", string(f.Mapping), "error", err)
			continue
		}
		out = append(out, m)
		c.formerly = true
	}
	return out, nil
}

// WantedOf returns the columns that mappings name, of their tables and of those that
// they look into, by table.
func WantedOf(mappings []*mapping.Mapping) cdc.Wanted {
	wanted := make(cdc.Wanted)
	for _, m := range mappings {
		for _, column := range m.Columns() {
			if !slices.Contains(wanted[m.Table()], column) {
				wanted[m.Table()] = append(wanted[m.Table()], column)
			}
		}
		if wanted[m.Table()] == nil {
			wanted[m.Table()] = []string{}
		}
	}
	for table, columns := range lookupColumns(mappings) {
		if wanted[table] == nil {
			wanted[table] = []string{}
		}
		for _, column := range columns {
			if !slices.Contains(wanted[table], column) {
				wanted[table] = append(wanted[table], column)
			}
		}
	}
	return wanted
}

// begin begins a run under the lease.
func (c *Capture) begin(ctx context.Context) (Run, error) {
	if err := c.cfg.Lease.Check(ctx); err != nil {
		return nil, fmt.Errorf("check lease: %w", err)
	}
	run, err := c.cfg.Log.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin run in log of source %s: %w", c.cfg.Source, err)
	}
	for _, m := range c.cfg.Mappings {
		if err := run.KeepMapping(ctx, m.ID(), m.Canonical()); err != nil {
			_ = run.Close() // nothing is in flight
			return nil, fmt.Errorf("keep mapping %s of table %s: %w", m.ID(), m.Table(), err)
		}
	}
	return run, nil
}

// captureRun is one run: one stretch of appending.
type captureRun struct {
	c        *Capture
	run      Run
	start    RunStart
	progress Progress
	// mappings are those that the run captures, configured the feeds of those that
	// are configured.
	mappings   []*mapping.Mapping
	configured []inventory.FeedName
	derive     *deriver
	out        *appender
	load       *loader
	// lookups and redo are nil if no mapping looks into other tables. late maps rows
	// that were read when they are placed, and due is what the commit at hand, of which
	// parts may have come before, makes wrong elsewhere.
	lookups *lookups
	redo    *rederiver
	late    *chunkReader
	due     rederiveSet
	// spellings notices part numbers that are brought together.
	spellings *spellings

	net          cdc.Netter
	noted        inventory.Position // the tail whose token was last noted as durable
	checkpointed cdc.Resume         // the token last kept beside the tail
	lastSaved    time.Time
	lastPurged   time.Time
	confirmable  confirmQueue
}

func (s *captureRun) work(ctx context.Context) error {
	// Acks and upkeep outlive the tailing, so that a drain finishes what was taken.
	working, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	g, working := errgroup.WithContext(working)
	tailing, stopTailing := context.WithCancel(ctx)
	defer stopTailing()
	context.AfterFunc(working, stopTailing)

	var tailed error
	g.Go(func() error { return s.out.collect(working) })
	g.Go(func() error {
		defer s.out.finish()
		tailed = s.tail(ctx, tailing, working)
		return tailed
	})
	g.Go(func() error { return s.upkeep(working) })
	for range loadTables {
		reader := &chunkReader{source: s.c.cfg.Source, adapter: s.c.cfg.Adapter, lookups: s.spellings.listens(mapping.NewLookups())}
		g.Go(func() error { return reader.run(working, s.load.request, s.load.results) })
	}
	if s.redo != nil {
		reader := &chunkReader{source: s.c.cfg.Source, adapter: s.c.cfg.Adapter}
		g.Go(func() error { return reader.run(working, s.redo.request, s.redo.results) })
		g.Go(func() error { return s.redo.tick(working) })
	}
	asker := &keyAsker{ask: s.c.cfg.AskKeys, nudge: s.c.cfg.Adapter.Nudge}
	g.Go(func() error { return asker.run(working, s.load.asks, s.load.answered) })
	g.Go(func() error { return s.load.tick(working) })
	g.Go(func() error { return s.load.estimates(working) })
	g.Go(func() error { return s.load.keepPlans(working) })
	g.Go(func() error { return s.load.settleRejects(working) })
	err := g.Wait()
	var reject *RejectError
	if errors.Is(err, errFinished) || errors.As(tailed, &reject) {
		return tailed
	}
	return err
}

// tail follows the source while tailing lasts, and then drains while working does.
// It returns nil if it ended because ctx did.
func (s *captureRun) tail(ctx, tailing, working context.Context) error {
	if err := s.out.feeds(working, s.start, s.derive.feedNames()); err != nil {
		return err
	}
	s.c.cfg.Adapter.Want(WantedOf(s.mappings))
	from := s.start.Resume
	if s.c.gap != nil {
		from = ""
	}
	err := s.c.cfg.Adapter.Tail(tailing, from, s.emit)
	var reject *RejectError
	switch {
	case ctx.Err() != nil:
		return s.drain(working)
	case errors.As(err, &reject):
		// What came before the row is to arrive, though the capture stops at it.
		return errors.Join(reject, s.drain(working))
	case err == nil:
		err = errors.New("ended without a reason")
	}
	return fmt.Errorf("tail source %s: %w", s.c.cfg.Source, err)
}

// drain appends what was taken and waits until it is durable, for a bounded time.
func (s *captureRun) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, drainTime, errNotDrained)
	defer cancel()
	if err := s.out.drain(ctx); err != nil {
		return fmt.Errorf("drain source %s: %w", s.c.cfg.Source, err)
	}
	return nil
}

// errNotDrained is why a drain was cut short.
var errNotDrained = fmt.Errorf("the log did not acknowledge within %s", drainTime)

// errFinished ends the goroutines of a run that has drained.
var errFinished = errors.New("run finished")

// findGap decides whether the run begins with a gap: the log lost its end, or an
// earlier run ended before it had a token.
func (s *captureRun) findGap() {
	switch {
	case s.c.gap != nil:
	case s.start.Lost != "":
		s.c.gap = &cdc.GapError{Reason: cdc.GapLogLost, Detail: s.start.Lost}
	case s.start.Resume == "" && !s.start.Tail.IsZero():
		s.c.gap = &cdc.GapError{Reason: cdc.GapLogLost, Detail: "an earlier run ended before it had read anything"}
	}
}

// stateGap states the gap in the log, with the first token behind it.
func (s *captureRun) stateGap(ctx context.Context) error {
	gap := &inventory.SourceGap{Reason: string(s.c.gap.Reason), Detail: s.c.gap.Detail}
	at, err := s.out.control(ctx, inventory.AppendSourceGap(nil, s.c.cfg.Source, gap))
	if err != nil {
		return err
	}
	s.redo.lost(at)
	s.c.gap = nil
	return nil
}

// emit takes one transaction, or part of one, from the source.
func (s *captureRun) emit(ctx context.Context, t *cdc.Transaction) error {
	failpoint.Hit("capture.taken")
	if s.lookups != nil && s.lookups.set == nil {
		if err := s.readLookups(ctx); err != nil {
			return err
		}
		set := s.spellings.listens(s.lookups.set)
		s.derive.lookups, s.late.lookups, s.redo.reader.lookups = set, set, set
	}
	if t.Progress() {
		s.out.pass(t)
		if s.c.gap != nil {
			if err := s.stateGap(ctx); err != nil {
				return err
			}
		}
		if err := s.out.push(ctx); err != nil {
			return err
		}
		return s.step(ctx, t.Resume)
	}
	if err := s.take(ctx, t); err != nil {
		return err
	}
	if !t.Last {
		return nil
	}
	return s.step(ctx, t.Resume)
}

// step goes on with what is done beside the stream, at a boundary that the stream
// has reached. What is read is mapped when it is placed: only where lookups are exact.
func (s *captureRun) step(ctx context.Context, reached cdc.Resume) error {
	s.load.keepCollisions()
	if s.redo != nil {
		if err := s.redo.step(ctx, reached); err != nil {
			return err
		}
		if !s.lookups.exact() {
			return nil
		}
	}
	return s.load.step(ctx, reached)
}

// take nets, maps and appends one transaction, or part of one.
func (s *captureRun) take(ctx context.Context, t *cdc.Transaction) error {
	changes, err := s.net.Net(t)
	if err != nil {
		return fmt.Errorf("net transaction %s: %w", t.ID, err)
	}
	if err := s.complete(ctx, t, changes); err != nil {
		return err
	}
	s.load.record(t, changes)
	s.redo.record(t, changes)
	if err := s.lookUp(t, changes); err != nil {
		return err
	}
	for {
		err := s.append(ctx, t, changes)
		if err == nil {
			return s.out.push(ctx)
		}
		if !errors.Is(err, errDoesNotFit) {
			return err
		}
		// The commit goes into a message of its own, or into several.
		if err := s.out.flush(ctx); err != nil {
			return err
		}
	}
}

// append encodes what t made of the mapped tables into the message being built.
func (s *captureRun) append(ctx context.Context, t *cdc.Transaction, changes []cdc.NetChange) error {
	b, err := s.out.open(ctx, t, len(changes))
	if err != nil {
		return err
	}
	defer b.close()
	for i := range changes {
		events, problem, err := s.derive.events(&changes[i])
		if err != nil {
			return fmt.Errorf("map table %s row %s: %w", changes[i].Table.Name, changes[i].Key, err)
		}
		for j := range events {
			if err := b.fits(ctx); err != nil {
				return err
			}
			b.event(&events[j])
			if problem && events[j].Problem != nil && events[j].Problem.Kind == inventory.Unresolved {
				s.c.cfg.Metrics.unresolved.WithLabelValues(s.c.cfg.Source).Inc()
			} else if problem && events[j].Problem != nil {
				if err := s.reject(b, t, &changes[i], &events[j]); err != nil {
					return err
				}
			}
		}
	}
	failpoint.Hit("capture.mapped")
	var due []inventory.Rederive
	if t.Last {
		due = s.due.list()
		b.rederive(due)
	}
	at, err := b.end(ctx)
	if err == nil && t.Last && s.redo != nil {
		s.redo.state(due, at)
		s.due = rederiveSet{}
	}
	return err
}

// lookUp has the lookups take what t, or this part of it, did to their tables,
// before its rows are mapped.
func (s *captureRun) lookUp(t *cdc.Transaction, changes []cdc.NetChange) error {
	if s.lookups == nil {
		return nil
	}
	if t.Part == 0 {
		s.due = rederiveSet{}
	}
	list, err := s.lookups.apply(changes)
	if err != nil {
		return fmt.Errorf("look into transaction %s: %w", t.ID, err)
	}
	s.due.merge(list)
	return nil
}

// complete fills values that the source did not send, where a mapping needs them.
func (s *captureRun) complete(ctx context.Context, t *cdc.Transaction, changes []cdc.NetChange) error {
	var missing []*cdc.NetChange
	for i := range changes {
		c := &changes[i]
		if c.After != nil && !c.After.Complete() && (s.derive.maps(c.Table) || s.lookups.has(c.Table)) {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// The source may have to be waited for: what is packed does not wait with it.
	if err := s.out.flush(ctx); err != nil {
		return err
	}
	if err := s.c.cfg.Adapter.Complete(ctx, t, missing); err != nil {
		return fmt.Errorf("complete %d rows of transaction %s from the source: %w", len(missing), t.ID, err)
	}
	s.c.cfg.Metrics.completed.WithLabelValues(s.c.cfg.Source).Add(float64(len(missing)))
	return nil
}

// reject queues the problem e, to be kept before the message that steps over it,
// or fails with *RejectError if the capture is to stop.
func (s *captureRun) reject(b *openCommit, t *cdc.Transaction, c *cdc.NetChange, e *inventory.Event) error {
	r := newReject(s.c.cfg.Source, t, c, e)
	if s.c.cfg.StopOnReject {
		return &RejectError{Reject: r}
	}
	b.reject(r)
	return nil
}

func newReject(source string, t *cdc.Transaction, c *cdc.NetChange, e *inventory.Event) Reject {
	r := Reject{
		Source: source, Table: e.Table, Row: e.Row, Mapping: e.Mapping, Op: e.Op,
		Transaction: t.ID, CommittedAt: t.CommittedAt, At: t.At, Problem: *e.Problem,
	}
	if key := c.Table.Key; len(c.After) == len(c.Table.Columns) {
		r.Key = make(backfill.Key, len(key))
		for i, column := range key {
			r.Key[i] = c.After[column].Text()
		}
	}
	for i, v := range c.After {
		r.Columns = append(r.Columns, c.Table.Columns[i].Name)
		if v.IsNull() {
			r.Values = append(r.Values, nil)
			continue
		}
		text := v.Text()
		r.Values = append(r.Values, &text)
	}
	return r
}
