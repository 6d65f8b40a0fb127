package connector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

// Bounds of one message, and of what is in flight. A message holds whole
// commits, or one part of a commit that exceeds them.
const (
	maxMessageBytes  = 512 << 10
	maxMessageEvents = 2_000
	// appendWindow is how many messages may wait for their acks: with maxMessageBytes
	// it bounds the memory of a slow log.
	appendWindow = 16
	// appendEager is how many messages may be in flight while a commit still goes
	// out at once. Beyond it, commits queue and are packed together.
	appendEager = 2
)

// errDoesNotFit says that a commit does not fit behind those already in the message.
var errDoesNotFit = errors.New("commit does not fit into the message")

// appender packs commits into messages and appends them. Commits go out at once
// while little is in flight, and are packed while acks are awaited, so that both
// latency and throughput are what the log allows.
//
// One goroutine opens commits, another collects acks; mu orders them.
type appender struct {
	source  string
	run     Run
	metrics *Metrics

	mu       sync.Mutex
	body     *inventory.BodyWriter
	rejected []Reject   // of the commits in body, kept before it is appended
	resume   cdc.Resume // after the last whole commit in body
	oldest   time.Time  // commit time of the first commit in body
	next     inventory.Position
	previous inventory.Position
	seen     cdc.Resume // after the last transaction taken, mapped or not
	part     int        // parts of the open split commit that were appended
	inFlight int
	tail     inventory.Position // last message acknowledged
	durable  cdc.Resume         // its token

	slots    chan struct{}
	sent     chan sentMessage
	quiet    chan struct{}
	finished chan struct{}
}

type sentMessage struct {
	ack       Ack
	position  inventory.Position
	resume    cdc.Resume
	at        time.Time
	committed time.Time
}

func newAppender(source string, run Run, metrics *Metrics) *appender {
	start := run.Start()
	return &appender{
		source: source, run: run, metrics: metrics,
		body:     inventory.NewBodyWriter(source),
		next:     inventory.Position{Run: start.Run},
		previous: start.Tail,
		resume:   start.Resume, seen: start.Resume, durable: start.Resume,
		tail:     start.Tail,
		slots:    make(chan struct{}, appendWindow),
		sent:     make(chan sentMessage, appendWindow),
		quiet:    make(chan struct{}, 1),
		finished: make(chan struct{}),
	}
}

// appendPlace is what is durable, and how far the source was read.
type appendPlace struct {
	tail   inventory.Position
	resume cdc.Resume
	// seen is the token after the last transaction taken, if everything that was
	// made of it and of those before it is durable; otherwise it equals resume.
	seen cdc.Resume
}

func (a *appender) place() appendPlace {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := appendPlace{tail: a.tail, resume: a.durable, seen: a.durable}
	if a.settled() && a.part == 0 {
		p.seen = a.seen
	}
	return p
}

// settled reports whether everything taken is acknowledged. mu must be held.
func (a *appender) settled() bool { return a.inFlight == 0 && a.body.Commits() == 0 }

// feeds appends the control event that opens every run.
func (a *appender) feeds(ctx context.Context, start RunStart, names []inventory.FeedName) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.send(ctx, inventory.AppendFeeds(nil, a.source, names), start.Resume)
}

// pass notes that the source moved on to r with nothing to append.
func (a *appender) pass(r cdc.Resume) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = r
	return nil
}

// openCommit is a transaction being encoded into the message. The appender is
// locked until close.
type openCommit struct {
	a        *appender
	t        *cdc.Transaction
	rejected int // rejects of earlier commits in the message
	part     int // of the commit, when this piece of it was opened
	open     bool
}

// open starts to encode t, or the next part of it.
func (a *appender) open(ctx context.Context, t *cdc.Transaction) (*openCommit, error) {
	a.mu.Lock()
	if t.Part == 0 {
		a.part = 0
	}
	whole := t.Part == 0 && t.Last
	if !whole && a.body.Commits() > 0 {
		// A split commit has its messages to itself.
		if err := a.flushLocked(ctx); err != nil {
			a.mu.Unlock()
			return nil, err
		}
	}
	b := &openCommit{a: a, t: t, rejected: len(a.rejected)}
	b.start()
	return b, nil
}

func (b *openCommit) start() {
	b.a.body.StartCommit(b.t.ID, b.t.CommittedAt, b.t.At)
	b.part = b.a.body.Events()
	b.open = true
}

// close ends the encoding, dropping what was not ended.
func (b *openCommit) close() {
	if b.open {
		b.drop()
	}
	b.a.mu.Unlock()
}

func (b *openCommit) drop() {
	b.a.body.DropCommit()
	b.a.rejected = b.a.rejected[:b.rejected]
	b.open = false
}

// reject queues r, to be kept before the message that steps over it.
func (b *openCommit) reject(r Reject) { b.a.rejected = append(b.a.rejected, r) }

// event adds e. It fails with errDoesNotFit if the message is full of earlier
// commits; when it is full of this one alone, it appends what there is as a part.
func (b *openCommit) event(ctx context.Context, e *inventory.Event) error {
	a := b.a
	a.body.Event(e)
	if a.body.Len() < maxMessageBytes && a.body.Events() < maxMessageEvents {
		return nil
	}
	if a.body.Commits() > 0 {
		b.drop()
		return errDoesNotFit
	}
	if err := b.sendPart(ctx, false); err != nil {
		return err
	}
	b.rejected = 0
	b.start()
	return nil
}

// sendPart appends the open piece of a split commit.
func (b *openCommit) sendPart(ctx context.Context, last bool) error {
	a := b.a
	a.body.EndCommit(a.part, last)
	b.open = false
	resume := a.seen // the token from before the commit
	if last {
		resume = b.t.Resume
	}
	a.part++
	if a.oldest.IsZero() {
		a.oldest = b.t.CommittedAt
	}
	return a.sendBody(ctx, resume)
}

// end closes the transaction, or this part of it, and appends the message if
// little is in flight.
func (b *openCommit) end(ctx context.Context) error {
	a := b.a
	empty := a.body.Events() == b.part
	if !b.t.Last {
		if empty {
			b.drop()
			return nil
		}
		return b.sendPart(ctx, false)
	}
	if a.part > 0 {
		if err := b.sendPart(ctx, true); err != nil {
			return err
		}
		a.part, a.seen, a.resume = 0, b.t.Resume, b.t.Resume
		return nil
	}
	a.seen = b.t.Resume
	if empty {
		b.drop()
		return nil
	}
	a.body.EndCommit(0, true)
	b.open = false
	if a.oldest.IsZero() {
		a.oldest = b.t.CommittedAt
	}
	a.resume = b.t.Resume
	if a.inFlight < appendEager {
		return a.flushLocked(ctx)
	}
	return nil
}

// flush appends the message being built, if it holds anything.
func (a *appender) flush(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flushLocked(ctx)
}

func (a *appender) flushLocked(ctx context.Context) error {
	if a.body.Commits() == 0 {
		return nil
	}
	return a.sendBody(ctx, a.resume)
}

// sendBody keeps the rejects of the finished body, appends it and starts a new one.
func (a *appender) sendBody(ctx context.Context, resume cdc.Resume) error {
	for i := range a.rejected {
		a.rejected[i].Position = a.next
		if err := a.run.Reject(ctx, a.rejected[i]); err != nil {
			return fmt.Errorf("keep reject of table %s row %s: %w", a.rejected[i].Table, a.rejected[i].Row, err)
		}
	}
	a.metrics.rejects.WithLabelValues(a.source).Add(float64(len(a.rejected)))
	a.metrics.events.WithLabelValues(a.source).Add(float64(a.body.Events()))
	clear(a.rejected)
	a.rejected = a.rejected[:0]
	failpoint.Hit("capture.rejected")
	if err := a.send(ctx, a.body.Bytes(), resume); err != nil {
		return err
	}
	a.body.Reset()
	a.oldest = time.Time{}
	return nil
}

// send appends one message behind the last. It blocks while the window is full.
func (a *appender) send(ctx context.Context, body []byte, resume cdc.Resume) error {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ack, err := a.run.Append(ctx, inventory.Envelope{Position: a.next, Previous: a.previous, Resume: resume, Body: body})
	if err != nil {
		return fmt.Errorf("append message %s: %w", a.next, err)
	}
	failpoint.Hit("capture.appended")
	a.metrics.appended.WithLabelValues(a.source).Inc()
	a.metrics.appendedBytes.WithLabelValues(a.source).Add(float64(len(body)))
	a.sent <- sentMessage{ack: ack, position: a.next, resume: resume, at: time.Now(), committed: a.oldest}
	a.previous = a.next
	a.next.Number++
	a.inFlight++
	return nil
}

// collect waits for acks, in order, until the run is finished or fails.
func (a *appender) collect(ctx context.Context) error {
	for {
		var m sentMessage
		select {
		case m = <-a.sent:
		case <-a.finished:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := m.ack.Wait(ctx); err != nil {
			return fmt.Errorf("append message %s: %w", m.position, err)
		}
		failpoint.Hit("capture.acked")
		a.metrics.appendSeconds.WithLabelValues(a.source).Observe(time.Since(m.at).Seconds())
		if !m.committed.IsZero() {
			a.metrics.capturedAge.WithLabelValues(a.source).Observe(time.Since(m.committed).Seconds())
		}
		// The slot is given back before the lock is taken: whoever holds the lock
		// may be waiting for it.
		<-a.slots
		if err := a.acked(ctx, m); err != nil {
			return err
		}
	}
}

// acked notes that m is durable, and appends what queued up behind it.
func (a *appender) acked(ctx context.Context, m sentMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
	a.tail, a.durable = m.position, m.resume
	if a.inFlight < appendEager {
		if err := a.flushLocked(ctx); err != nil {
			return err
		}
	}
	if a.settled() {
		select {
		case a.quiet <- struct{}{}:
		default:
		}
	}
	return nil
}

// drain appends what was taken and waits until it is acknowledged.
func (a *appender) drain(ctx context.Context) error {
	if err := a.flush(ctx); err != nil {
		return err
	}
	for {
		a.mu.Lock()
		settled := a.settled()
		a.mu.Unlock()
		if settled {
			return nil
		}
		select {
		case <-a.quiet:
		case <-ctx.Done():
			return fmt.Errorf("wait for appended messages: %w", context.Cause(ctx))
		}
	}
}

// finish ends collect.
func (a *appender) finish() { close(a.finished) }
