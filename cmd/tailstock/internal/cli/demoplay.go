package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector"
	"tailstock/connector/natslog"
)

// Bounds on how long the demo waits for what must come.
const (
	demoStartLimit = time.Minute
	demoAgreeLimit = 2 * time.Minute
	demoPoll       = 100 * time.Millisecond
)

// errPlayed ends the daemon and the watcher when the demo is over.
var errPlayed = errors.New("the demo is over")

// play runs the daemon, lets people work in the ERP for d, and compares.
func (p *playground) play(ctx context.Context, d time.Duration) error {
	selected, err := selectRoles(p.cfg, nil)
	if err != nil {
		return err
	}
	daemon := newDaemon(p.cfg, selected, p.a.logger(p.cfg.Logging), p.a.build())
	playing, stop := context.WithCancel(ctx)
	defer stop()
	g, playing := errgroup.WithContext(playing)
	g.Go(func() error {
		err := daemon.run(playing)
		if err == nil && playing.Err() == nil {
			err = errors.New("the daemon ended")
		}
		return err
	})
	g.Go(func() error {
		if err := p.script(playing, daemon, d); err != nil {
			return err
		}
		return errPlayed
	})
	err = g.Wait()
	if errors.Is(err, errPlayed) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return err
}

// script is the demo's course: load what the ERP has, work in it, compare.
func (p *playground) script(ctx context.Context, d *daemon, work time.Duration) error {
	if err := p.awaitReady(ctx, d); err != nil {
		return err
	}
	client, err := natslog.Connect(ctx, p.cfg.NATS, natslog.Options{Role: natslog.RoleOperator, Name: "tailstock demo"})
	if err != nil {
		return err
	}
	defer client.Close()
	seen := newWatched()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	g, watching := errgroup.WithContext(watching)
	g.Go(func() error { return seen.watch(watching, client) })
	g.Go(func() error {
		defer stop()
		return p.acts(watching, client, seen, work)
	})
	return g.Wait()
}

// acts follows the load, lets people work, and compares, while seen follows the levels.
func (p *playground) acts(ctx context.Context, client *natslog.Client, seen *watched, work time.Duration) error {
	began := time.Now()
	for i := range p.cfg.Sources {
		if err := p.followLoad(ctx, client, p.cfg.Sources[i].Name); err != nil {
			return err
		}
	}
	levels, err := p.agree(ctx, seen)
	if err != nil {
		return err
	}
	p.a.say("%d rows became %s within %s", p.filled, count(levels, "level"), time.Since(began).Round(10*time.Millisecond))
	people := demoSessions
	if p.warehouse != nil {
		people += demoClerks
	}
	p.a.say("\n%d people work for %s; one of the levels that follow is shown each second", people, work)
	seen.measure()
	if err := p.work(ctx, seen, work); err != nil {
		return err
	}
	if levels, err = p.agree(ctx, seen); err != nil {
		return err
	}
	if err := p.compareSinks(ctx); err != nil {
		return err
	}
	verified, err := p.verify(ctx, client)
	if err != nil {
		return err
	}
	return p.report(seen, levels, verified)
}

// followLoad shows how the load of a new source goes on, and waits for its end.
func (p *playground) followLoad(ctx context.Context, client *natslog.Client, source string) error {
	show := func(*follower, bool) {}
	if !p.a.json && isTerminal(p.a.Out) {
		show = p.a.progressBar
	}
	f := &follower{began: time.Now(), show: show}
	for {
		jobs, err := client.Jobs(source).List(ctx)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if i := slices.IndexFunc(jobs, func(j connector.JobStatus) bool { return j.Kind == connector.JobLoad }); i >= 0 {
			f.job = jobs[i]
			break
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for the load of source %s: %w", source, err)
		}
	}
	if err := f.follow(ctx, client); !errors.Is(err, errFollowed) {
		return err
	}
	return f.outcome()
}

// verify compares every row through the log, as "tailstock verify" does.
func (p *playground) verify(ctx context.Context, client *natslog.Client) (rows int64, err error) {
	var all []verifiedSource
	for i := range p.cfg.Sources {
		source := &p.cfg.Sources[i]
		r, err := p.a.verifySource(ctx, client, source, connector.JobSpec{Kind: connector.JobVerify})
		if err != nil {
			return 0, fmt.Errorf("verify source %s: %w", source.Name, err)
		}
		all = append(all, r)
		rows += r.Rows
	}
	if err := verdictOf(all); err != nil {
		return 0, errors.Join(err, p.a.showVerified(all))
	}
	return rows, nil
}

// awaitReady waits until every role of the daemon is ready.
func (p *playground) awaitReady(ctx context.Context, d *daemon) error {
	ctx, cancel := context.WithTimeout(ctx, demoStartLimit)
	defer cancel()
	for {
		report := d.ready.report(time.Now())
		if report.Ready && len(report.Roles) > 0 {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for the daemon: %w: %+v", err, report)
		}
	}
}

// pause waits a moment, or fails when ctx ends.
func pause(ctx context.Context) error {
	select {
	case <-time.After(demoPoll):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work lets people work for d and says every second how stock follows.
func (p *playground) work(ctx context.Context, seen *watched, d time.Duration) error {
	working, stop := context.WithTimeout(ctx, d)
	defer stop()
	g, working := errgroup.WithContext(working)
	g.Go(func() error { return p.erp.Work(working, demoSessions, demoRate) })
	if p.warehouse != nil {
		g.Go(func() error { return p.warehouse.Work(working, demoClerks, demoPicks) })
	}
	g.Go(func() error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for second := 1; ; second++ {
			select {
			case <-tick.C:
				p.progress(seen, second)
			case <-working.Done():
				return nil
			}
		}
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (p *playground) progress(seen *watched, second int) {
	transactions, rows := p.worked()
	s := seen.summary()
	p.a.say("%4d s  %6d transactions  %7d rows  %7d levels  commit to level p50 %s  p99 %s",
		second, transactions, rows, s.published, milliseconds(s.p50), milliseconds(s.p99))
	if s.latest != nil {
		p.a.say("          %s", levelLine(s.latest))
	}
}

// milliseconds shows a duration with one digit behind the point.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// demoResult is the JSON of demo.
type demoResult struct {
	Agree        bool    `json:"agree"`
	Levels       int     `json:"levels"`
	Transactions int64   `json:"transactions"`
	RowsLoaded   int     `json:"rows_loaded"`
	RowsChanged  int64   `json:"rows_changed"`
	RowsVerified int64   `json:"rows_verified"`
	Published    int     `json:"levels_published"`
	P50          float64 `json:"commit_to_level_p50_ms"`
	P99          float64 `json:"commit_to_level_p99_ms"`
	Cache        bool    `json:"cache"`
}

// report prints the final line.
func (p *playground) report(seen *watched, levels int, verified int64) error {
	transactions, rows := p.worked()
	s := seen.summary()
	result := demoResult{
		Agree: true, Levels: levels, Transactions: transactions, RowsLoaded: p.filled, RowsChanged: rows, RowsVerified: verified,
		Published: s.published, P50: float64(s.p50.Microseconds()) / 1000, P99: float64(s.p99.Microseconds()) / 1000,
		Cache: p.redis != nil,
	}
	return p.a.show(result, func() error {
		also := ""
		if result.Cache {
			also = ", and so does the cache"
		}
		p.a.say("\nverify: %d rows compared at their place in the log, none differs", verified)
		_, err := fmt.Fprintf(p.a.Out, "store and sources agree on %s%s; %d rows changed in %d transactions; commit to level p50 %s, p99 %s\n",
			count(levels, "level"), also, rows, transactions, milliseconds(s.p50), milliseconds(s.p99))
		return err
	})
}
