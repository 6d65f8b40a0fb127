package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// loadLatency measures what a load at full speed does to the time that changes
// take to the store, and whether that grows while the load goes on.
func (b *bench) loadLatency(ctx context.Context) (err error) {
	if err := b.reset(ctx, b.loaded); err != nil {
		return err
	}
	if _, err := b.loadAll(ctx, b.loaded); err != nil {
		return fmt.Errorf("load the table: %w", err)
	}
	p, err := b.daemon(ctx, rolesAll)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := p.await(ctx, appended(1)); err != nil {
		return err
	}
	s, err := b.loadBesideStream(ctx, p)
	if err != nil {
		return err
	}
	for _, stage := range stages[:2] {
		calm := s.calm.quantile(stage.metric, 0.99)
		first, second := s.first.quantile(stage.metric, 0.99), s.second.quantile(stage.metric, 0.99)
		what := fmt.Sprintf("%d single-row transactions/s beside a load of %s rows: %s, p99", b.rate, count(b.loaded), stage.what)
		ratio := func(t time.Duration) string { return fmt.Sprintf("%.1f", t.Seconds()/calm.Seconds()) }
		b.table.add(what+" in the load's first half", oneTime(first), "without a load "+oneTime(calm), ratio(first), "ratio 5")
		b.table.add(what+" in its second half", oneTime(second), "without a load "+oneTime(calm), ratio(second), "ratio 5")
	}
	what := fmt.Sprintf("load of %s rows beside %d transactions/s", count(b.loaded), b.rate)
	b.table.add(what, perSecond(float64(b.loaded)/s.took.Seconds()), "–", "–", "–")
	u, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.table.add(what+": peak resident memory", mebibytes(u.peakBytes), "–", "–", "150 MiB")
	return nil
}

// besideStream is what the stream did without a load, and in the halves of one.
type besideStream struct {
	calm, first, second steadyRun
	took                time.Duration
}

// calmTime is how long the stream is measured without a load.
const calmTime = 10 * time.Second

// loadBesideStream loads the table anew while transactions come at a steady rate.
func (b *bench) loadBesideStream(ctx context.Context, p *daemon) (s besideStream, err error) {
	if err := b.load(ctx, p, warmUp, int(warmUp.Seconds())); err != nil {
		return s, err
	}
	var over atomic.Bool
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.steadyUntil(ctx, over.Load) })
	g.Go(func() error {
		defer over.Store(true)
		return b.watchLoad(ctx, p, &s)
	})
	return s, g.Wait()
}

// watchLoad scrapes before a load, when half of its rows are read, and at its end.
func (b *bench) watchLoad(ctx context.Context, p *daemon, s *besideStream) error {
	var scrapes [4]metrics
	take := func(i int) (err error) {
		scrapes[i], err = scrape(ctx, p.url)
		return err
	}
	if err := take(0); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(calmTime):
	}
	if err := take(1); err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.command(ctx, p, "backfill", "--table", "public.inventory", "--detach"); err != nil {
		return err
	}
	rows := scrapes[1].sum("tailstock_load_rows_total") + float64(b.loaded)/2
	if err := p.await(ctx, func(m metrics) bool { return m.sum("tailstock_load_rows_total") >= rows }); err != nil {
		return err
	}
	if err := take(2); err != nil {
		return err
	}
	if err := p.await(ctx, loaded(scrapes[1].sum("tailstock_load_completed_total")+1)); err != nil {
		return err
	}
	if err := b.awaitFlip(ctx); err != nil {
		return err
	}
	s.took = time.Since(began)
	if err := take(3); err != nil {
		return err
	}
	s.calm = steadyRun{before: scrapes[0], after: scrapes[1]}
	s.first = steadyRun{before: scrapes[1], after: scrapes[2]}
	s.second = steadyRun{before: scrapes[2], after: scrapes[3]}
	if s.took < time.Second {
		return errors.New("the load was too short to measure anything beside it")
	}
	return nil
}

func oneTime(t time.Duration) string { return fmt.Sprintf("%.2f ms", t.Seconds()*1e3) }
