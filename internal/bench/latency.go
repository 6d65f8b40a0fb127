package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// warmUp is how long the load runs before the measurement, so that connections
// and plans are made.
const warmUp = 3 * time.Second

// stages are the ways whose time is measured, each with its goal for p50 and p99.
var stages = []struct{ what, metric, goal string }{ //nolint:gochecknoglobals // constant
	{"commit to log", "tailstock_capture_latency_seconds", "–"},
	{"commit to store", "tailstock_deliver_latency_seconds", "1.5 / 5 ms"},
	{"commit to levels stream", "tailstock_relay_latency_seconds", "–"},
	{"commit to Redis", "tailstock_cache_latency_seconds", "2.5 / 8 ms"},
}

// latency measures the time from a source commit to where it arrives, at a steady
// rate of single-row transactions.
func (b *bench) latency(ctx context.Context) error {
	if err := b.reset(ctx, b.rows); err != nil {
		return err
	}
	if err := b.initialLoad(ctx, b.rows); err != nil {
		return fmt.Errorf("load the table: %w", err)
	}
	disk, err := b.syncTimes()
	if err != nil {
		return err
	}
	s, err := b.runSteady(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d single-row transactions/s", b.rate)
	for _, stage := range stages {
		b.table.add(name+": "+stage.what+", p50 / p99", milliseconds(s.quantile(stage.metric, 0.5), s.quantile(stage.metric, 0.99)),
			"one fsync "+milliseconds(disk[len(disk)/2], disk[len(disk)*99/100]), "–", stage.goal)
	}
	b.table.add(name+": peak resident memory", mebibytes(s.own.peakBytes), "–", "–", "100 MiB")
	b.reportCPU(name, b.rate*b.seconds, s.own.cpu, s.servers)
	return b.verify(ctx, drain{rows: b.rows})
}

// steadyRun is what the daemon's metrics said before and after the measurement, and what it took.
type steadyRun struct {
	before, after metrics
	own           usage
	servers       cpuTimes
}

func (s *steadyRun) quantile(metric string, q float64) time.Duration {
	return time.Duration(s.after.quantile(s.before, metric, q) * float64(time.Second))
}

// runSteady warms the daemon up and measures.
func (b *bench) runSteady(ctx context.Context) (s steadyRun, err error) {
	p, err := b.daemon(ctx, rolesAll)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := b.load(ctx, p, warmUp, int(warmUp.Seconds())); err != nil {
		return s, err
	}
	if s.before, err = scrape(ctx, p.url); err != nil {
		return s, err
	}
	own, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	servers, err := b.cpuTimes()
	if err != nil {
		return s, err
	}
	length := time.Duration(b.seconds) * time.Second
	if err := b.load(ctx, p, length, b.seconds+int(warmUp.Seconds())); err != nil {
		return s, err
	}
	if s.after, err = scrape(ctx, p.url); err != nil {
		return s, err
	}
	if s.own, err = usageOf(p.cmd.Process.Pid); err != nil {
		return s, err
	}
	s.own.cpu -= own.cpu
	s.servers, err = b.cpuTimes()
	s.servers = s.servers.since(servers)
	return s, err
}

// load commits for a time, and waits until everything has arrived that the given
// number of seconds brings.
func (b *bench) load(ctx context.Context, p *daemon, length time.Duration, seconds int) error {
	if err := b.steady(ctx, length); err != nil {
		return err
	}
	if err := p.await(ctx, stored(drain{changes: b.rate * seconds})); err != nil {
		return err
	}
	return b.awaitCache(ctx)
}

func milliseconds(p50, p99 time.Duration) string {
	return fmt.Sprintf("%.2f / %.2f ms", p50.Seconds()*1e3, p99.Seconds()*1e3)
}

// syncTimes returns how long it takes to append a page and have it on disk, sorted.
func (b *bench) syncTimes() ([]time.Duration, error) {
	f, err := os.Create(filepath.Join(b.dir, "sync"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page := make([]byte, 4096)
	times := make([]time.Duration, 500)
	for i := range times {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times, nil
}
