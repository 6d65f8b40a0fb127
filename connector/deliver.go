package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector/inventory"
)

// DeliverConfig is what a deliver loop works with.
type DeliverConfig struct {
	Source  string
	Open    OpenLogFunc
	Store   Store
	Reports Reporter
	Metrics *Metrics
	Logger  *slog.Logger
	// TransactionRows bounds the source commits that are applied as one store
	// transaction, in events. A larger commit is applied in parts, and counted.
	// Defaults to 100,000.
	TransactionRows int
	// Compared, if not nil, gets what batches with rows of verifications, or the end
	// of one, came to. It must not block for long.
	Compared func(ctx context.Context, r ComparisonReport) error
}

// Deliver carries one source's log into the store, in order, one store
// transaction per batch. What it has done is what the store says.
type Deliver struct {
	cfg DeliverConfig
}

// NewDeliver returns a Deliver. It does nothing until Run.
func NewDeliver(cfg DeliverConfig) *Deliver {
	if cfg.TransactionRows == 0 {
		cfg.TransactionRows = 100_000
	}
	return &Deliver{cfg: cfg}
}

// Bounds of one batch. Rows of a larger batch are nearer to each other in the
// store, so it takes less for each: 20 us with 5,000 rows of 100,000, 17 with
// 12,000. batchBytes of messages bound its memory as well. fetchBytes is taken from
// the log at a time, and at most fetchAhead times that is held beside the batch.
const (
	batchEvents = 12_000
	batchBytes  = 3 << 20
	fetchBytes  = 512 << 10
	fetchAhead  = 4
	fetchWait   = 2 * time.Second
	tailEvery   = 3 * time.Second
	absentPoll  = 250 * time.Millisecond
)

// errSeek asks for the log to be read again from the store's position.
var errSeek = errors.New("seek by position")

// jumpError says that messages are missing between two that were read. Met once
// it is a reader that was led astray; met again after a seek it is a hole, which
// the store is taken over.
type jumpError struct{ at, previous inventory.Position }

func (e *jumpError) Error() string {
	return fmt.Sprintf("a message that follows %s comes right after %s", e.previous, e.at)
}

// Run reads the log from the store's position and applies it until ctx ends or
// something fails. It returns nil only when ctx ended.
func (d *Deliver) Run(ctx context.Context, progress Progress) error {
	var jumped, hole inventory.Position // behind which the log jumps: met once, met twice
	e := &elapser{d: d}
	for {
		err := d.once(ctx, progress, hole, e)
		hole = inventory.Position{}
		var jump *jumpError
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // a batch that was cut short is read again
		case errors.As(err, &jump):
			if jump.previous == jumped {
				hole = jumped
			}
			jumped = jump.previous
			d.cfg.Metrics.seeks.WithLabelValues(d.cfg.Source).Inc()
		case errors.Is(err, errSeek):
			d.cfg.Metrics.seeks.WithLabelValues(d.cfg.Source).Inc()
		case errors.Is(err, ErrNoLog):
			progress.Beat() // nothing to read is a state, not a failure
			if err := e.sleep(ctx, absentPoll); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// fetched is what the fetching goroutine hands over: messages, or a look at the idle log.
type fetched struct {
	messages []LogMessage
	tail     *LogTail
}

// once reads and applies until something ends it. What lies between the store and
// hole, if that is not zero, is lost.
func (d *Deliver) once(ctx context.Context, progress Progress, hole inventory.Position, e *elapser) error {
	reader, err := d.cfg.Open(ctx)
	if err != nil {
		return fmt.Errorf("open log of source %s: %w", d.cfg.Source, err)
	}
	defer reader.Close() //nolint:errcheck // a reader has nothing to lose
	state, tail, err := d.settle(ctx, reader, hole)
	if err != nil {
		return err
	}
	place := logPlace{logID: tail.ID, stored: state.Position, at: state.Position}
	if err := reader.Seek(ctx, place.stored, 0); err != nil {
		return fmt.Errorf("seek %s in log of source %s: %w", place.stored, d.cfg.Source, err)
	}
	d.report(ctx, place, state.Feeds, 0)

	g, gctx := errgroup.WithContext(ctx)
	ahead := make(chan fetched, fetchAhead)
	g.Go(func() error { return d.fetch(gctx, reader, ahead) })
	g.Go(func() error {
		a := &applier{d: d, place: place, progress: progress, feeds: state.Feeds, elapser: e}
		return a.run(gctx, ahead)
	})
	return g.Wait()
}

// settle returns a state of the store that fits the log, after rebasing the store
// where what it needs next is not there any more.
func (d *Deliver) settle(ctx context.Context, reader LogReader, hole inventory.Position) (SourceState, LogTail, error) {
	state, err := d.cfg.Store.SourceState(ctx, d.cfg.Source)
	if err != nil {
		return SourceState{}, LogTail{}, fmt.Errorf("read the store's state of source %s: %w", d.cfg.Source, err)
	}
	tail, err := reader.Tail(ctx)
	if err != nil {
		return SourceState{}, LogTail{}, fmt.Errorf("read tail of log of source %s: %w", d.cfg.Source, err)
	}
	r, why := judgeLog(d.cfg.Source, state, tail, hole)
	if why == "" {
		return state, tail, nil
	}
	d.cfg.Logger.WarnContext(ctx, "the log lacks what the store needs next: its tables are stale until they are loaded anew",
		"source", d.cfg.Source, "why", why)
	d.cfg.Metrics.rebases.WithLabelValues(d.cfg.Source).Inc()
	if state.Feeds, err = d.cfg.Store.Rebase(ctx, r); err != nil {
		return SourceState{}, LogTail{}, fmt.Errorf("rebase the store: %w", err)
	}
	state.LogID, state.Position = r.LogID, r.Position
	return state, tail, nil
}

// fetch reads ahead of the apply, and looks at the log itself when it is idle.
func (d *Deliver) fetch(ctx context.Context, reader LogReader, out chan<- fetched) error {
	var looked time.Time
	for {
		messages, err := reader.Next(ctx, fetchBytes, fetchWait)
		if err != nil {
			return fmt.Errorf("read log of source %s: %w", d.cfg.Source, err)
		}
		f := fetched{messages: messages}
		if len(messages) == 0 {
			if time.Since(looked) < tailEvery {
				continue
			}
			tail, err := reader.Tail(ctx)
			if err != nil {
				return fmt.Errorf("read tail of log of source %s: %w", d.cfg.Source, err)
			}
			looked = time.Now()
			f.tail = &tail
		}
		select {
		case out <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// report tells the captures where the store is. It is a courtesy: the log keeps
// what was not reported, so a failure here loses nothing and is only counted.
func (d *Deliver) report(ctx context.Context, p logPlace, feeds []FeedReport, sequence uint64) {
	err := d.cfg.Reports.Report(ctx, StoreReport{
		Store: d.cfg.Store.ID(), Source: d.cfg.Source, LogID: p.logID,
		Position: p.stored, Sequence: sequence, Feeds: feeds,
	})
	if err != nil {
		d.cfg.Metrics.reportFailures.WithLabelValues(d.cfg.Source).Inc()
	}
}

// applier holds the state of one stretch of applying.
type applier struct {
	d        *Deliver
	place    logPlace
	progress Progress
	feeds    []FeedReport
	elapser  *elapser

	// buffer holds messages not applied yet: whole ones, then the parts of a
	// commit whose last part has not come. whole counts the leading messages that
	// may be applied; events counts all buffered events, bytes the size of their messages.
	buffer []LogMessage
	whole  int
	events int
	bytes  int
	// sliced says that the commit being received is too large to be applied at once.
	sliced bool
	// sequence is where the last message applied stood.
	sequence uint64
	// behind says that the last look at the idle log found messages that had not
	// come. Once may be a message that was under way.
	behind bool
}

func (a *applier) run(ctx context.Context, in <-chan fetched) error {
	due := time.NewTimer(a.elapser.wait())
	defer due.Stop()
	for ; ; due.Reset(a.elapser.wait()) {
		var f fetched
		select {
		case f = <-in:
		case <-due.C:
			if err := a.elapser.elapse(ctx); err != nil {
				return err
			}
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		if f.tail == nil {
			if err := a.take(ctx, f.messages); err != nil {
				return err
			}
		}
		if a.whole > 0 && (len(in) == 0 || f.tail != nil) {
			if err := a.apply(ctx); err != nil {
				return err
			}
		}
		if f.tail != nil {
			if err := a.idle(ctx, *f.tail); err != nil {
				return err
			}
		}
	}
}

// take buffers messages by the reading rule, and applies what is whole once that
// makes a batch.
func (a *applier) take(ctx context.Context, messages []LogMessage) error {
	a.behind = false
	for i := range messages {
		m := &messages[i]
		switch a.place.judge(&m.Message) {
		case readSkip:
			continue
		case readSeek:
			return &jumpError{at: a.place.at, previous: m.Previous}
		case readTake:
		}
		a.add(m)
		if !a.sliced && a.events >= a.d.cfg.TransactionRows && a.whole == 0 {
			a.sliced = true
			a.d.cfg.Metrics.slicedCommits.WithLabelValues(a.d.cfg.Source).Inc()
		}
		if a.sliced {
			a.whole = len(a.buffer)
		}
		if a.whole > 0 && (a.events >= min(batchEvents, a.d.cfg.TransactionRows) || a.bytes >= batchBytes) {
			if err := a.apply(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// add buffers m. The parts of a commit that another run left unfinished are
// dropped: the new run sends the commit again, whole.
func (a *applier) add(m *LogMessage) {
	if parts := len(a.buffer) - a.whole; parts > 0 && a.buffer[len(a.buffer)-1].Position.Run != m.Position.Run {
		for i := a.whole; i < len(a.buffer); i++ {
			a.events -= eventCount(&a.buffer[i].Message)
			a.bytes -= a.buffer[i].Size
		}
		a.buffer = a.buffer[:a.whole]
		a.sliced = false
	}
	a.place.at = m.Position
	a.buffer = append(a.buffer, *m)
	a.events += eventCount(&m.Message)
	a.bytes += m.Size
	if !m.Partial() {
		a.whole = len(a.buffer)
		a.sliced = false
	}
}

// apply applies the whole messages at the head of the buffer.
func (a *applier) apply(ctx context.Context) error {
	last := &a.buffer[a.whole-1]
	b := Batch{
		Source: a.d.cfg.Source, LogID: a.place.logID,
		Expect: a.place.stored, Position: last.Position,
		Messages: a.buffer[:a.whole],
		More:     last.Pending > 0,
	}
	applied, err := a.d.cfg.Store.Apply(ctx, b)
	if err != nil {
		return fmt.Errorf("apply log of source %s after %s: %w", b.Source, b.Expect, err)
	}
	a.d.cfg.Metrics.applied(b, applied)
	a.d.compared(ctx, b, applied.Compared)
	a.elapser.note(applied.Due)
	a.place.stored = b.Position
	a.sequence = last.Sequence
	if applied.Feeds != nil {
		a.feeds = applied.Feeds
	}
	a.d.report(ctx, a.place, a.feeds, a.sequence)
	a.progress.Set("position", a.place.stored.String())
	a.progress.Beat()

	for i := range a.whole {
		a.events -= eventCount(&a.buffer[i].Message)
		a.bytes -= a.buffer[i].Size
	}
	rest := copy(a.buffer, a.buffer[a.whole:])
	clear(a.buffer[rest:])
	a.buffer, a.whole = a.buffer[:rest], 0
	return nil
}

// idle compares the log with what was read when nothing comes.
func (a *applier) idle(ctx context.Context, t LogTail) error {
	switch a.place.judgeIdle(t, a.sequence) {
	case idleAstray:
		return errSeek
	case idleBehind:
		if a.behind {
			return errSeek
		}
		a.behind = true
		return nil
	case idleSettled:
	}
	a.behind = false
	// A store restored from a backup must not wait for the next message to be filled.
	state, err := a.d.cfg.Store.SourceState(ctx, a.d.cfg.Source)
	if err != nil {
		return fmt.Errorf("read the store's state of source %s: %w", a.d.cfg.Source, err)
	}
	if state.Position != a.place.stored {
		return errSeek
	}
	a.d.report(ctx, a.place, a.feeds, a.sequence)
	a.progress.Beat()
	return nil
}

func eventCount(m *inventory.Message) int {
	n := 0
	for i := range m.Commits {
		n += len(m.Commits[i].Events)
	}
	return n
}

// sleep waits for d, or fails when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
