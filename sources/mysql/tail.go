package mysql

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector/cdc"
	"tailstock/internal/failpoint"
	"tailstock/sources/tailing"
)

// Tail delivers every transaction committed after from, in commit order, and
// progress about once a second while the log moves on without any. Transactions
// that changed no wanted table only make progress. It calls emit from this
// goroutine, and blocks until ctx ends (returning its cause), emit fails
// (returning that error), or the source fails.
//
// With an empty from it accepts whichever server answers, and emits progress with
// the first token before anything else. Every commit before the first token is
// visible when it is emitted. An empty from is how to start again after a
// *cdc.GapError.
//
// It fails with *cdc.SetupError when an operator must act and nothing is lost,
// with *cdc.GapError when changes are lost, and otherwise with an error that a
// retry may cure: a connection lost, a server restarting. Tail may be called again
// after it has returned, but not concurrently.
func (s *Source) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	s.nudge.begin()
	defer s.nudge.end()
	o, err := s.begin(ctx, from)
	defer o.close()
	if err != nil {
		return orCause(ctx, err)
	}
	if o.first && !o.facts.named() {
		o.from.schema = digests(o.catalog)
	}
	o.lookup = &serverLookup{ctx: ctx, conn: o.lookups, source: s, placeQuery: o.placeQuery}
	o.binder = newBinder(s, o.from.server.flavor, s.wantedNow(), o.folded, o.catalog, o.lookup)
	if err := o.definitions(); err != nil {
		return orCause(ctx, err)
	}
	s.delivered.set(o.from.resume())
	s.ring.reset(o.facts.ringSize(&o.from))
	if o.first {
		if err := emit(ctx, &cdc.Transaction{Last: true, Resume: o.from.resume()}); err != nil {
			return err
		}
	}
	return s.follow(ctx, o, emit)
}

// orCause returns the cause of ctx if that has ended, and err otherwise.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// follow streams from o until something ends it.
func (s *Source) follow(ctx context.Context, o *opened, emit cdc.EmitFunc) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	group, ctx := errgroup.WithContext(ctx)
	o.lookup.ctx = ctx
	r := &reader{
		ctx: ctx, metrics: s.metrics, queue: tailing.NewQueue(s.cfg.QueueBytes), nextTick: time.Now().Add(tickInterval),
		decoder: newDecoder(s.cfg, o.from, o.binder),
	}
	r.decoder.full = r.handOver
	st := &stream{cfg: s.cfg, plain: o.plain, event: r.event, idle: r.idle}
	wake := make(chan struct{}, 1)
	m := &monitor{cfg: s.cfg, conn: o.conn, reader: r, wake: wake, place: o.placeQuery}
	group.Go(func() error { return streamError(st.run(ctx, o.from)) })
	group.Go(func() error { return m.run(ctx) })
	s.nudge.attach(wake)
	err := s.deliver(ctx, r.queue, emit)
	// The first to end ended ctx, and what the others say is its consequence.
	err = orCause(ctx, err)
	cancel(err)
	_ = group.Wait() // its error is the cause, if it came first
	o.hangUp(ctx, st.session)
	return err
}

// deliver calls emit with what comes out of the queue.
func (s *Source) deliver(ctx context.Context, q *tailing.Queue, emit cdc.EmitFunc) error {
	return q.Deliver(ctx, func(d tailing.Delivery) error {
		changes, whole := len(d.Transaction.Changes), d.Transaction.Last && !d.Transaction.Progress()
		s.delivered.set(d.Transaction.Resume)
		if err := emit(ctx, d.Transaction); err != nil {
			return err
		}
		failpoint.Hit("source.emitted")
		if len(d.Doubts) > 0 {
			s.cascades.doubt(d.Doubts)
		}
		s.metrics.changes.Add(float64(changes))
		if whole {
			s.metrics.transactions.Inc()
		}
		return nil
	})
}
