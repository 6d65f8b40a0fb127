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
// while little is in flight and the source has no more at hand, and are packed
// otherwise, so that both latency and throughput are what the log allows.
//
// One goroutine opens commits, another collects acks; either may append what is
// packed. Whoever holds turn owns the message being built and the run's Append.
// mu guards what both and the upkeep look at, and is never held over a call that
// may block.
type appender struct {
	source  string
	run     Run
	metrics *Metrics

	turn     chan struct{}
	body     *inventory.BodyWriter
	rejected []Reject   // of the commits in body, kept before it is appended
	resume   cdc.Resume // after the last whole commit in body
	oldest   time.Time  // commit time of the first commit in body
	next     inventory.Position
	previous inventory.Position
	part     int // parts of the open split commit that were appended
	commit   openCommit

	mu       sync.Mutex
	seen     cdc.Resume // after the last transaction taken, mapped or not
	split    bool       // a split commit is under way
	more     bool       // the source has more at hand
	queued   int        // whole commits in body
	inFlight int
	tail     inventory.Position // last message acknowledged
	durable  cdc.Resume         // its token
	since    time.Time          // when it was

	slots    chan struct{}
	sent     chan sentMessage
	quiet    chan struct{}
	finished chan struct{}

	// onAck is called after each acknowledgement. It must not block.
	onAck func(inventory.Position)
	// between is called by push between its look and its turn, where other goroutines
	// may come in. Tests do.
	between func()
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
		turn: make(chan struct{}, 1),
		body: inventory.NewBodyWriter(source),
		next: inventory.Position{Run: start.Run}, previous: start.Tail,
		resume: start.Resume, seen: start.Resume, durable: start.Resume,
		tail: start.Tail, since: time.Now(),
		slots:    make(chan struct{}, appendWindow),
		sent:     make(chan sentMessage, appendWindow),
		quiet:    make(chan struct{}, 1),
		finished: make(chan struct{}),
		onAck:    func(inventory.Position) {},
		between:  func() {},
	}
}

// appendPlace is what is durable, and how far the source was read.
type appendPlace struct {
	tail   inventory.Position
	resume cdc.Resume
	// since is when the tail was acknowledged, or found when the run began.
	since time.Time
	// seen is the token after the last transaction taken, if everything that was
	// made of it and of those before it is durable; otherwise it equals resume.
	seen cdc.Resume
}

func (a *appender) place() appendPlace {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := appendPlace{tail: a.tail, resume: a.durable, since: a.since, seen: a.durable}
	if a.settled() && !a.split {
		p.seen = a.seen
	}
	return p
}

// settled reports whether everything taken is acknowledged. mu must be held.
func (a *appender) settled() bool { return a.inFlight == 0 && a.queued == 0 }

// take waits for the turn.
func (a *appender) take(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *appender) giveBack() { <-a.turn }

// feeds appends the control event that opens every run.
func (a *appender) feeds(ctx context.Context, start RunStart, names []inventory.FeedName) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.giveBack()
	return a.send(ctx, inventory.AppendFeeds(nil, a.source, names), start.Resume)
}

// control appends a message by itself behind all that was taken, and returns its
// position. It must be called at a boundary between commits.
func (a *appender) control(ctx context.Context, body []byte) (inventory.Position, error) {
	if err := a.take(ctx); err != nil {
		return inventory.Position{}, err
	}
	defer a.giveBack()
	if err := a.flushTurn(ctx); err != nil {
		return inventory.Position{}, err
	}
	at := a.next
	return at, a.send(ctx, body, a.reached())
}

// reached is the token after everything taken, at a boundary between commits. It
// may be beyond that of the last message, and whatever follows must not fall
// behind it: it may have been kept beside the tail, and confirmed.
func (a *appender) reached() cdc.Resume {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.resume = a.seen
	return a.seen
}

// readRows are rows that were read rather than streamed.
type readRows struct {
	// load is the load that they were read for, zero if for none; name stands for
	// the transaction.
	load   inventory.Position
	name   string
	readAt time.Time
	// compare is the verification for which rows are compared, empty for others.
	compare string
	repair  bool
	// events are encoded.
	events [][]byte
	// rejects are those of the events that have a problem.
	rejects []Reject
}

// maxReadEvents bounds a message of rows that were read: a store applies it
// between two of the stream.
const maxReadEvents = 500

// rows appends rows behind all that was taken, in messages of their own. It must be
// called at a boundary between commits.
func (a *appender) rows(ctx context.Context, r *readRows) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.giveBack()
	if err := a.flushTurn(ctx); err != nil {
		return err
	}
	a.rejected = append(a.rejected, r.rejects...)
	resume := a.reached()
	for rest := r.events; len(rest) > 0; {
		limit := maxReadEvents
		if r.compare != "" {
			limit = maxMessageEvents // looking costs stores less than writing
			a.body.StartCompare(r.compare, r.repair, r.name, r.readAt)
		} else {
			a.body.StartRead(r.load, r.name, r.readAt, "")
		}
		n := 0
		for n < len(rest) && n < limit && (n == 0 || a.body.Len() < maxMessageBytes) {
			a.body.Encoded(rest[n])
			n++
		}
		a.body.EndCommit(0, true)
		rest = rest[n:]
		if err := a.sendBody(ctx, resume); err != nil {
			a.body.Reset()
			return err
		}
	}
	return nil
}

// acknowledged reports whether the message at p is durable.
func (a *appender) acknowledged(p inventory.Position) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return p.Compare(a.tail) <= 0
}

// pass notes that the source moved on with nothing to append.
func (a *appender) pass(t *cdc.Transaction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen, a.more = t.Resume, t.More
}

// openCommit is a transaction being encoded into the message. It holds the turn
// until close.
type openCommit struct {
	a        *appender
	t        *cdc.Transaction
	rejected int // rejects of earlier commits in the message
	from     int // events of earlier commits in the message
	open     bool
	due      []inventory.Rederive
}

// open starts to encode t, or the next part of it, which makes about rows events.
func (a *appender) open(ctx context.Context, t *cdc.Transaction, rows int) (*openCommit, error) {
	if err := a.take(ctx); err != nil {
		return nil, err
	}
	if t.Part == 0 {
		a.part = 0
	}
	// A split commit has its messages to itself.
	whole := t.Part == 0 && t.Last
	if a.body.Commits() > 0 && (!whole || a.body.Events()+rows > maxMessageEvents) {
		if err := a.sendBody(ctx, a.resume); err != nil {
			a.giveBack()
			return nil, err
		}
	}
	a.setSplit(!whole)
	a.commit = openCommit{a: a, t: t, rejected: len(a.rejected)}
	a.commit.start()
	return &a.commit, nil
}

func (a *appender) setSplit(split bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.split = split
}

func (b *openCommit) start() {
	b.a.body.StartCommit(b.t.ID, b.t.CommittedAt, b.t.At)
	b.from = b.a.body.Events()
	b.open = true
}

// close drops what was not ended, and gives the turn back.
func (b *openCommit) close() {
	if b.open {
		b.drop()
	}
	b.a.giveBack()
}

func (b *openCommit) drop() {
	b.a.body.DropCommit()
	b.a.rejected = b.a.rejected[:b.rejected]
	b.open = false
}

// reject queues r, to be kept before the message that steps over it.
func (b *openCommit) reject(r Reject) { b.a.rejected = append(b.a.rejected, r) }

// fits makes room for one more event. It fails with errDoesNotFit if the message
// is full of earlier commits; when it is full of this one alone, it appends what
// there is as a part.
func (b *openCommit) fits(ctx context.Context) error {
	a := b.a
	switch {
	case a.body.Len() < maxMessageBytes && a.body.Events() < maxMessageEvents:
		return nil
	case a.body.Commits() > 0:
		b.drop()
		return errDoesNotFit
	}
	a.setSplit(true)
	if err := b.sendPart(ctx, false); err != nil {
		return err
	}
	b.rejected = 0
	b.start()
	return nil
}

// event adds e, which fits.
func (b *openCommit) event(e *inventory.Event) { b.a.body.Event(e) }

// sendPart appends the open piece of a split commit. What cannot be appended is
// dropped: the commit is sent again, whole, by the next run.
func (b *openCommit) sendPart(ctx context.Context, last bool) error {
	a := b.a
	a.body.EndCommit(a.part, last)
	b.open = false
	resume := b.t.Resume
	if !last {
		a.mu.Lock()
		resume = a.seen // the token from before the commit
		a.mu.Unlock()
	}
	a.part++
	a.oldest = b.t.CommittedAt
	if err := a.sendBody(ctx, resume); err != nil {
		a.body.Reset()
		a.rejected = a.rejected[:0]
		return err
	}
	return nil
}

// rederive has the commit name list to be derived again.
func (b *openCommit) rederive(list []inventory.Rederive) { b.due = list }

// end closes the transaction, or this part of it, and returns the position of the
// message that it ends in.
func (b *openCommit) end(ctx context.Context) (inventory.Position, error) {
	at := b.a.next
	b.a.body.Rederive(b.due)
	return at, b.finish(ctx)
}

func (b *openCommit) finish(ctx context.Context) error {
	a := b.a
	empty := a.body.Events() == b.from && len(b.due) == 0
	switch {
	case !b.t.Last && empty:
		b.drop()
		return nil
	case !b.t.Last:
		return b.sendPart(ctx, false)
	case a.part > 0:
		if err := b.sendPart(ctx, true); err != nil {
			return err
		}
		a.part, a.resume = 0, b.t.Resume
		a.ended(b.t, 0)
		return nil
	case empty:
		b.drop()
		a.ended(b.t, 0)
		return nil
	}
	a.body.EndCommit(0, true)
	b.open = false
	if a.oldest.IsZero() {
		a.oldest = b.t.CommittedAt
	}
	a.resume = b.t.Resume
	a.ended(b.t, 1)
	return nil
}

// ended notes that commit t was taken whole, and that queued commits of it wait
// in the message.
func (a *appender) ended(t *cdc.Transaction, queued int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen, a.more, a.split = t.Resume, t.More, false
	a.queued += queued
}

// due reports whether packed commits wait for nothing.
func (a *appender) due() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.queued > 0 && !a.more && a.inFlight < appendEager
}

// push appends what is packed if it is due. Whoever made it due, or gave back the
// turn while it may have become so, calls it: if another has the turn, that one
// will push after giving it back.
func (a *appender) push(ctx context.Context) error {
	for a.due() {
		a.between()
		select {
		case a.turn <- struct{}{}:
		default:
			return nil
		}
		// Looked at again: with the turn nobody else can fill the window. Whoever collects
		// acks must never wait for room in it, which it alone makes.
		var err error
		if a.due() {
			err = a.flushTurn(ctx)
		}
		a.giveBack()
		if err != nil {
			return err
		}
	}
	return nil
}

// flush appends the message being built, if it holds anything.
func (a *appender) flush(ctx context.Context) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.giveBack()
	return a.flushTurn(ctx)
}

// flushTurn is flush for whoever has the turn.
func (a *appender) flushTurn(ctx context.Context) error {
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
	failpoint.Hit("capture.rejected")
	if err := a.send(ctx, a.body.Bytes(), resume); err != nil {
		return err
	}
	a.metrics.rejects.WithLabelValues(a.source).Add(float64(len(a.rejected)))
	a.metrics.events.WithLabelValues(a.source).Add(float64(a.body.Events()))
	clear(a.rejected)
	a.rejected = a.rejected[:0]
	a.body.Reset()
	a.oldest = time.Time{}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queued = 0
	return nil
}

// send appends one message behind the last. It blocks while the window is full.
func (a *appender) send(ctx context.Context, body []byte, resume cdc.Resume) error {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	a.mu.Lock()
	a.inFlight++
	a.mu.Unlock()
	at := time.Now()
	ack, err := a.run.Append(ctx, inventory.Envelope{Position: a.next, Previous: a.previous, Resume: resume, Body: body})
	if err != nil {
		return fmt.Errorf("append message %s: %w", a.next, err)
	}
	failpoint.Hit("capture.appended")
	a.metrics.appended.WithLabelValues(a.source).Inc()
	a.metrics.appendedBytes.WithLabelValues(a.source).Add(float64(len(body)))
	a.sent <- sentMessage{ack: ack, position: a.next, resume: resume, at: at, committed: a.oldest}
	a.previous = a.next
	a.next.Number++
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
		a.acked(m)
		<-a.slots
		a.onAck(m.position)
		if err := a.push(ctx); err != nil {
			return err
		}
	}
}

// acked notes that m is durable.
func (a *appender) acked(m sentMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
	a.tail, a.durable, a.since = m.position, m.resume, time.Now()
	if a.settled() {
		select {
		case a.quiet <- struct{}{}:
		default:
		}
	}
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
