package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"
)

// smallRows is the size of a table of which loading is mostly waiting.
const smallRows = 10_000

// loadSmall measures how long a small table takes from the start of the daemon.
func (b *bench) loadSmall(ctx context.Context) error {
	if err := b.reset(ctx, smallRows); err != nil {
		return err
	}
	l, err := b.loadAll(ctx, smallRows)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("initial load of %s rows", count(smallRows))
	b.table.add(what+": from the start of the daemon to the store", seconds(l.store), "–", "–", "–")
	b.table.add(what+": from the start of the daemon to Redis", seconds(l.cache), "–", "–", "–")
	return b.verify(ctx, drain{rows: smallRows})
}

// loadLarge measures how fast a large table gets through.
func (b *bench) loadLarge(ctx context.Context) error {
	if err := b.reset(ctx, b.loaded); err != nil {
		return err
	}
	l, err := b.loadAll(ctx, b.loaded)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("initial load of %s rows", count(b.loaded))
	rate := func(t time.Duration) string { return perSecond(float64(b.loaded) / t.Seconds()) }
	b.table.add(what+": source to log and store", rate(l.store), "–", "–", "80k rows/s")
	b.table.add(what+": source to log, store, levels and Redis", seconds(l.cache), "–", "–", "20 s")
	b.table.add(what+": peak resident memory", mebibytes(l.own.peakBytes), "nats-server "+mebibytes(l.nats.peakBytes), "–", "150 MiB")
	b.reportCPU(what, b.loaded, l.own.cpu, l.servers)
	return b.verify(ctx, drain{rows: b.loaded})
}

// loadTimes is when a load had arrived where, since the daemon was started, and
// what it took.
type loadTimes struct {
	store, cache time.Duration
	own, nats    usage
	servers      cpuTimes
}

// loadAll has a daemon load the table for the first time.
func (b *bench) loadAll(ctx context.Context, rows int) (l loadTimes, err error) {
	before, err := b.cpuTimes()
	if err != nil {
		return l, err
	}
	p, err := b.daemon(ctx, rolesAll)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := p.await(ctx, loaded(1)); err != nil {
		return l, err
	}
	if err := b.awaitFlip(ctx); err != nil {
		return l, err
	}
	l.store = time.Since(p.started)
	if err := b.awaitLevels(ctx, rows); err != nil {
		return l, err
	}
	if err := b.awaitCache(ctx); err != nil {
		return l, err
	}
	l.cache = time.Since(p.started)
	if l.own, err = usageOf(p.cmd.Process.Pid); err != nil {
		return l, err
	}
	if l.nats, err = usageOf(b.nats.Process.Pid); err != nil {
		return l, err
	}
	l.servers, err = b.cpuTimes()
	l.servers = l.servers.since(before)
	return l, err
}

// loaded says that so many loads are complete in the log.
func loaded(loads float64) func(metrics) bool {
	return func(m metrics) bool { return m.sum("tailstock_load_completed_total") >= loads }
}

// awaitFlip waits until what was loaded counts in the store.
func (b *bench) awaitFlip(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.store.DSN("stock"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return await(ctx, 3*time.Minute, func() (bool, error) {
		var done bool
		err := conn.QueryRow(ctx, `select not exists (select from feed where state = 'loading') and exists (select from feed where state = 'active')`).Scan(&done)
		return done, err
	})
}

// loadLog measures how fast rows are read, mapped and appended when no store has
// to keep up.
func (b *bench) loadLog(ctx context.Context) (err error) {
	if err := b.reset(ctx, b.loaded); err != nil {
		return err
	}
	p, err := b.daemon(ctx, rolesLog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := p.await(ctx, appended(1)); err != nil {
		return err
	}
	before, err := b.cpuTimes()
	if err != nil {
		return err
	}
	idle, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	began := time.Now()
	// A range is a backfill, which needs no store that lacks the table.
	if _, err := b.command(ctx, p, "backfill", "--table", "public.inventory", "--from", "0", "--detach"); err != nil {
		return err
	}
	if err := p.await(ctx, captured(drain{changes: b.loaded})); err != nil {
		return err
	}
	took := time.Since(began)
	own, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	servers, err := b.cpuTimes()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("backfill of %s rows to the log alone", count(b.loaded))
	b.table.add(what, perSecond(float64(b.loaded)/took.Seconds()), "–", "–", "300k rows/s")
	b.table.add(what+": peak resident memory", mebibytes(own.peakBytes), "–", "–", "150 MiB")
	b.reportCPU(what, b.loaded, own.cpu-idle.cpu, servers.since(before))
	return nil
}

// appended says that so many messages are acknowledged.
func appended(messages float64) func(metrics) bool {
	return func(m metrics) bool { return m.sum("tailstock_capture_append_seconds_count") >= messages }
}

// verifyRate measures how fast a table is compared with the store, by the command
// that an operator uses.
func (b *bench) verifyRate(ctx context.Context) (err error) {
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
	idle, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	before, err := b.cpuTimes()
	if err != nil {
		return err
	}
	began := time.Now()
	text, err := b.command(ctx, p, "verify", "--json")
	took := time.Since(began)
	if err != nil {
		return err
	}
	if err := b.compared(text); err != nil {
		return err
	}
	own, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	servers, err := b.cpuTimes()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("verification of %s rows", count(b.loaded))
	b.table.add(what, perSecond(float64(b.loaded)/took.Seconds()), "–", "–", "150k rows/s")
	b.table.add(what+": peak resident memory", mebibytes(own.peakBytes), "–", "–", "150 MiB")
	b.reportCPU(what, b.loaded, own.cpu-idle.cpu, servers.since(before))
	return nil
}

// compared makes sure that a verification has looked at every row.
func (b *bench) compared(text []byte) error {
	var results []struct {
		Stores []struct {
			Equal    int  `json:"equal"`
			Complete bool `json:"complete"`
		} `json:"stores"`
	}
	if err := json.Unmarshal(text, &results); err != nil {
		return fmt.Errorf("read the result of verify: %w: %s", err, text)
	}
	if len(results) != 1 || len(results[0].Stores) != 1 || results[0].Stores[0].Equal != b.loaded || !results[0].Stores[0].Complete {
		return fmt.Errorf("verify said %s, want one store with %d equal rows", text, b.loaded)
	}
	return nil
}

// command runs a command of the binary under test with the configuration of d.
func (b *bench) command(ctx context.Context, d *daemon, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, b.tailstock, append(args, "-c", d.config)...)
	if b.profile != "" {
		cmd.Env = append(cmd.Environ(), "BENCH_PROFILE="+d.profile+".command")
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("tailstock %s: %w", args[0], err)
	}
	return out, nil
}

func seconds(t time.Duration) string { return fmt.Sprintf("%.2f s", t.Seconds()) }
