package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// initialLoad has a daemon load the table, and measures how long it takes until
// every row is in the store's view, in the levels stream and in Redis.
func (b *bench) initialLoad(ctx context.Context, rows int) (err error) {
	p, err := b.daemon(ctx, rolesAll)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	// The store has its tables when the daemon has made them.
	if err := p.await(ctx, func(m metrics) bool { return m.sum("tailstock_capture_events_total") >= float64(rows) }); err != nil {
		return err
	}
	if err := b.awaitLevels(ctx, rows); err != nil {
		return err
	}
	if err := b.awaitCache(ctx); err != nil {
		return err
	}
	took := time.Since(p.started)
	u, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("initial load of %s rows: source to log, store, levels and Redis", count(rows))
	b.table.add(what, perSecond(float64(rows)/took.Seconds()), "–", "–", "50k rows/s")
	b.table.add(what+": peak resident memory", mebibytes(u.peakBytes), "–", "–", "150 MiB")
	return nil
}

// awaitLevels waits until the store shows a level of every row.
func (b *bench) awaitLevels(ctx context.Context, rows int) error {
	conn, err := pgx.Connect(ctx, b.store.DSN("stock"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return await(ctx, 10*time.Minute, func() (bool, error) {
		var shown int
		err := conn.QueryRow(ctx, `select count(*) from stock_level`).Scan(&shown)
		return shown >= rows, err
	})
}
