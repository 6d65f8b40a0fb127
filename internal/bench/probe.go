package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// probe measures the time from a commit on MariaDB until the store shows it, beside
// a steady rate of single-row transactions. MariaDB's log has the time of commits by
// the second, so that the daemon's own figures are of no use: rows are changed one
// after another, and the store is asked until it says so.
func (b *bench) probe(ctx context.Context) error {
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
	times, own, err := b.probeBesideLoad(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("MariaDB, %d single-row transactions/s", b.rate)
	b.table.add(name+": commit to what the store says, p50 / p99", milliseconds(times[len(times)/2], times[len(times)*99/100]),
		"one fsync "+milliseconds(disk[len(disk)/2], disk[len(disk)*99/100]), "–", "1.5 / 5 ms")
	b.table.add(name+": peak resident memory", mebibytes(own.peakBytes), "–", "–", "100 MiB")
	return b.verify(ctx, drain{rows: b.rows})
}

// probeBesideLoad returns the times, sorted, once everything has arrived.
func (b *bench) probeBesideLoad(ctx context.Context) (times []time.Duration, own usage, err error) {
	p, err := b.daemon(ctx, rolesAll)
	if err != nil {
		return nil, own, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := b.load(ctx, p, warmUp, int(warmUp.Seconds())); err != nil {
		return nil, own, err
	}
	var group sync.WaitGroup
	var over atomic.Bool
	var steady error
	group.Go(func() { steady = b.steadyUntil(ctx, over.Load) })
	times, err = b.probes(ctx, time.Duration(b.seconds)*time.Second)
	over.Store(true)
	group.Wait()
	if err := errors.Join(err, steady); err != nil {
		return nil, own, err
	}
	if err := b.awaitTruth(ctx); err != nil {
		return nil, own, err
	}
	own, err = usageOf(p.cmd.Process.Pid)
	return times, own, err
}

// probes changes rows one after another for a time, and waits for each in the store.
func (b *bench) probes(ctx context.Context, length time.Duration) ([]time.Duration, error) {
	store, err := pgx.Connect(ctx, b.store.DSN("stock"))
	if err != nil {
		return nil, err
	}
	defer store.Close(ctx)
	var times []time.Duration
	for began := time.Now(); time.Since(began) < length || len(times) < 100; {
		var sku, location string
		var reserved int64
		id := b.rows - len(times)%100
		if _, err := b.source.db.ExecContext(ctx, b.source.probe, id); err != nil {
			return nil, err
		}
		committed := time.Now()
		if err := b.source.db.QueryRowContext(ctx, b.source.probed, id).Scan(&sku, &location, &reserved); err != nil {
			return nil, err
		}
		const question = `select exists (select from stock_level where sku = $1 and location = $2 and committed = $3)`
		for shown := false; !shown; {
			if err := store.QueryRow(ctx, question, sku, location, reserved).Scan(&shown); err != nil {
				return nil, err
			}
			if time.Since(committed) > time.Minute {
				return nil, errors.New("a change is not in the store after a minute")
			}
		}
		times = append(times, time.Since(committed))
	}
	slices.Sort(times)
	return times, nil
}

// awaitTruth waits until the store and Redis have everything.
func (b *bench) awaitTruth(ctx context.Context) error {
	err := await(ctx, time.Minute, func() (bool, error) { return b.verifyStore(ctx) == nil, nil })
	if err != nil {
		return err
	}
	return b.awaitCache(ctx)
}
