package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
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
// With an empty from it makes the slot, or adopts an unused one of that name,
// accepts whichever server answers, and emits progress with the first token
// before anything else. A slot of ours of which the server lost what it needs is
// made anew, as is one that led the last Tail to a gap; so an empty from is how
// to start again after a *cdc.GapError. Every commit before the first token is
// visible when it is emitted, for which Tail waits.
//
// It fails with *cdc.SetupError when an operator must act and nothing is lost,
// with *cdc.GapError when changes are lost, and otherwise with an error that a
// retry may cure: a connection lost, a server restarting, a slot still held by
// a process that died. Tail may be called again after it has returned, but not
// concurrently.
func (s *Source) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	s.nudge.begin()
	defer s.nudge.end()
	o, err := s.open(ctx, from)
	defer o.close()
	if err != nil {
		return orCause(ctx, err)
	}
	snap, err := readSnapshot(ctx, o.conn)
	if err != nil {
		return orCause(ctx, err)
	}
	s.confirm.begin(o.from, o.confirmed, snap)
	if o.first {
		if err := emit(ctx, &cdc.Transaction{Last: true, Resume: o.from.resume()}); err != nil {
			return err
		}
	}
	err = s.follow(ctx, &o, emit)
	if _, gap := errors.AsType[*cdc.GapError](err); gap {
		s.spoilt.Store(true)
	}
	return err
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
	pid := o.repl.PID()
	stream, err := startStream(ctx, o.repl, s.cfg)
	if err != nil {
		return orCause(ctx, err)
	}
	s.nudge.attach(stream)
	observed := make(chan struct{}, 1)
	m := &monitor{
		cfg: s.cfg, log: s.log, metrics: s.metrics, conn: o.conn,
		confirm: &s.confirm, pid: pid, observed: observed,
	}
	lookups := &lazyConn{open: func(ctx context.Context) (*pgx.Conn, error) { return s.cfg.connect(ctx) }}
	defer func() { _ = lookups.close() }() // nothing was written by it
	binder := newBinder(s.plans.wantedNow(), o.catalog, newLookup(ctx, lookups, s.cfg), &s.tables)
	r := &reader{
		cfg: s.cfg, log: s.log, metrics: s.metrics, stream: stream, confirm: &s.confirm,
		decoder: newDecoder(s.cfg, o.from, binder, &s.confirm),
		queue:   tailing.NewQueue(s.cfg.QueueBytes), observed: observed, flushed: o.confirmed,
	}
	err = s.run(ctx, r, m, emit)
	s.finish(ctx, r, m)
	return err
}

// run runs the reader, the monitor and the delivery until one of them ends.
func (s *Source) run(ctx context.Context, r *reader, m *monitor, emit cdc.EmitFunc) error {
	ctx, cancel := context.WithCancelCause(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.run(ctx) })
	group.Go(func() error { return m.run(ctx) })
	err := s.deliver(ctx, r.queue, emit)
	// The first to end ended ctx, and what the others say is its consequence.
	err = orCause(ctx, err)
	cancel(err)
	_ = group.Wait() // its error is the cause, if it came first
	return err
}

// deliver calls emit with what comes out of the queue.
func (s *Source) deliver(ctx context.Context, q *tailing.Queue, emit cdc.EmitFunc) error {
	return q.Deliver(ctx, func(d tailing.Delivery) error {
		changes, whole := len(d.Transaction.Changes), d.Transaction.Last && !d.Transaction.Progress()
		if err := emit(ctx, d.Transaction); err != nil {
			return err
		}
		failpoint.Hit("source.emitted")
		s.metrics.changes.Add(float64(changes))
		if whole {
			s.metrics.transactions.Inc()
		}
		return nil
	})
}

// finish sends the last confirmation, as far as the server still listens, and
// hangs up. It takes a few seconds at most.
func (s *Source) finish(ctx context.Context, r *reader, m *monitor) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if r.broken {
		_ = r.stream.conn.Close()
		return
	}
	if s.confirm.pending() > 0 {
		_ = s.observeLast(ctx, m) // without it, a little less is confirmed
	}
	_ = r.sendStatus(time.Now(), false)
	r.stream.close(ctx, closeTimeout)
}

// observeLast takes a last snapshot, on a new connection if the monitor was
// interrupted in the middle of a query, which costs it its own.
func (s *Source) observeLast(ctx context.Context, m *monitor) error {
	if m.conn.IsClosed() {
		conn, err := s.cfg.connect(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = hangUp(conn) }()
		m.conn = conn
	}
	return m.observe(ctx)
}
