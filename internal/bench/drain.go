package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// drain says what backlog is drained, and how far.
type drain struct {
	// rows is the size of the table, changes that of the backlog, per that of a transaction.
	rows, changes, per int
	// logOnly ends the way at the log.
	logOnly bool
	// subjects asks for the memory of nats-server with a level of every row.
	subjects bool
	// goal is the least ratio to the reference, 0 for none.
	goal float64
	// from names the source in the report if it is not PostgreSQL.
	from string
}

func (d drain) String() string {
	if d.per == d.changes {
		return d.from + fmt.Sprintf("one transaction of %s rows", count(d.changes))
	}
	return d.from + fmt.Sprintf("%s changes of %s rows, %d per transaction", count(d.changes), count(d.rows), d.per)
}

// rate is how fast the backlog went through in a time.
func (d drain) rate(t time.Duration) float64 { return float64(d.changes) / t.Seconds() }

// drain measures how fast a backlog gets through.
func (b *bench) drain(ctx context.Context, d drain) error {
	d.changes -= d.changes % d.per
	if err := b.reset(ctx, d.rows); err != nil {
		return err
	}
	if err := b.initialLoad(ctx, d.rows); err != nil {
		return fmt.Errorf("load the table: %w", err)
	}
	if err := b.source.backlog(ctx, d); err != nil {
		return fmt.Errorf("make backlog: %w", err)
	}
	before, err := b.source.reference(ctx, 0, d)
	if err != nil {
		return err
	}
	arrived, err := b.run(ctx, d)
	if err != nil {
		return err
	}
	if d.logOnly {
		if arrived.replayed, err = b.replay(ctx, d); err != nil {
			return fmt.Errorf("read the log back: %w", err)
		}
	}
	if err := b.verify(ctx, d); err != nil {
		return err
	}
	after, err := b.source.reference(ctx, 1, d)
	if err != nil {
		return err
	}
	b.report(d, arrived, (before+after)/2)
	return nil
}

// arrival is when a backlog had arrived where, since the daemon was started, and what it took.
type arrival struct {
	log, store, cache time.Duration
	replayed          time.Duration
	own, nats         usage
	// messages were appended to the log, levels published.
	messages, levels float64
	// servers is the CPU time that the servers took meanwhile.
	servers cpuTimes
}

// cpuTimes are CPU times by server, in the order of bench.servers.
type cpuTimes [4]time.Duration

func (t cpuTimes) since(before cpuTimes) cpuTimes {
	for i := range t {
		t[i] -= before[i]
	}
	return t
}

// server is one of the servers that work for the daemon.
type server struct {
	name string
	pid  int
}

func (b *bench) servers() [len(cpuTimes{})]server {
	return [...]server{
		{"nats-server", b.nats.Process.Pid}, {"source", b.source.pid()}, {"store", b.store.PID()}, {"Redis", b.redis.PID()},
	}
}

func (b *bench) cpuTimes() (t cpuTimes, err error) {
	for i, s := range b.servers() {
		if t[i], err = familyTime(s.pid); err != nil {
			return t, err
		}
	}
	return t, nil
}

// run drains the backlog with the daemon.
func (b *bench) run(ctx context.Context, d drain) (a arrival, err error) {
	roles := rolesAll
	if d.logOnly {
		roles = rolesLog
	}
	before, err := b.cpuTimes()
	if err != nil {
		return a, err
	}
	p, err := b.daemon(ctx, roles)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := p.await(ctx, captured(d)); err != nil {
		return a, err
	}
	a.log = time.Since(p.started)
	if !d.logOnly {
		if err := p.await(ctx, stored(d)); err != nil {
			return a, err
		}
		a.store = time.Since(p.started)
		if err := b.awaitCache(ctx); err != nil {
			return a, err
		}
		a.cache = time.Since(p.started)
	}
	m, err := scrape(ctx, p.url)
	if err != nil {
		return a, err
	}
	a.messages, a.levels = m.sum("tailstock_capture_messages_total"), m.sum("tailstock_relay_levels_total")
	if a.own, err = usageOf(p.cmd.Process.Pid); err != nil {
		return a, err
	}
	if a.nats, err = usageOf(b.nats.Process.Pid); err != nil {
		return a, err
	}
	a.servers, err = b.cpuTimes()
	a.servers = a.servers.since(before)
	return a, err
}

// captured says that everything is in the log: each message acknowledged, which
// are as many as there are events and, before them, one for the start of the run.
func captured(d drain) func(metrics) bool {
	return func(m metrics) bool {
		return m.sum("tailstock_capture_events_total") >= float64(d.changes) &&
			m.sum("tailstock_capture_append_seconds_count") == m.sum("tailstock_capture_messages_total")
	}
}

// stored says that everything is in the store.
func stored(d drain) func(metrics) bool {
	return func(m metrics) bool { return m.sum("tailstock_deliver_events_total") >= float64(d.changes) }
}

// awaitCache waits until the outbox is empty and the cache stands at the end of
// the levels stream.
func (b *bench) awaitCache(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, b.store.DSN("stock"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return await(ctx, 10*time.Minute, func() (bool, error) {
		var session, sequence int64
		var waiting bool
		err := conn.QueryRow(ctx, `select levels_session, levels_sequence, exists (select from outbox) from store_meta`).
			Scan(&session, &sequence, &waiting)
		if err != nil || waiting {
			return false, err
		}
		place, err := b.redis.Do(ctx, "HGET", "stock:place", "at")
		if err != nil {
			return false, err
		}
		var format, cachedSession, cached, replay int64
		var stream string
		_, err = fmt.Sscan(place, &format, &cachedSession, &cached, &replay, &stream)
		return err == nil && replay == 0 && cachedSession == session && cached == sequence, nil // an error says that there is no place yet
	})
}

// replay kills nats-server, starts it again, and applies what it kept to the store,
// which has seen nothing of it. It returns how long the applying took.
func (b *bench) replay(ctx context.Context, d drain) (t time.Duration, err error) {
	b.killNATS()
	if err := b.startNATS(ctx); err != nil {
		return 0, err
	}
	p, err := b.daemon(ctx, rolesStore)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	err = p.await(ctx, stored(d))
	return time.Since(p.started), err
}

// report adds what was measured to the table.
func (b *bench) report(d drain, a arrival, reference time.Duration) {
	against := func(what string, t time.Duration, goal string) {
		r, ref := d.rate(t), d.rate(reference)
		b.table.add(d.String()+": "+what, perSecond(r), b.source.tool+" "+perSecond(ref), fmt.Sprintf("%.2f", r/ref), goal)
	}
	if d.logOnly {
		goal := "–"
		if d.goal > 0 {
			goal = fmt.Sprintf("ratio %.1f", d.goal)
		}
		against("source to log", a.log, goal)
		b.table.add(d.String()+": log to store, after nats-server was killed", perSecond(d.rate(a.replayed)), "–", "–", "–")
	} else {
		against("source to log, store, levels and Redis", a.cache, "50k rows/s")
		b.table.add(d.String()+": all in log / store / Redis after",
			fmt.Sprintf("%.1f / %.1f / %.1f s", a.log.Seconds(), a.store.Seconds(), a.cache.Seconds()), "–", "–", "–")
	}
	b.table.add(d.String()+": changes per message of the log", fmt.Sprintf("%.0f", float64(d.changes)/a.messages), "–", "–", "–")
	if !d.logOnly {
		b.table.add(d.String()+": changes per published level", fmt.Sprintf("%.1f", float64(d.changes)/a.levels), "–", "–", "–")
	}
	b.table.add(d.String()+": peak resident memory", mebibytes(a.own.peakBytes),
		"nats-server "+mebibytes(a.nats.peakBytes), "–", memoryGoal(d))
	if d.subjects {
		b.table.add(fmt.Sprintf("nats-server's resident memory with %s level subjects", count(d.rows)), mebibytes(a.nats.residentBytes), "–", "–", "–")
	}
	b.reportCPU(d.String(), d.changes, a.own.cpu, a.servers)
}

// reportCPU adds the CPU time that n changes took to the table.
func (b *bench) reportCPU(what string, n int, own time.Duration, servers cpuTimes) {
	per := func(cpu time.Duration) string { return fmt.Sprintf("%.1f s", cpu.Seconds()*1e6/float64(n)) }
	var others []string
	for i, s := range b.servers() {
		others = append(others, s.name+" "+per(servers[i]))
	}
	b.table.add(what+": CPU time per million changes", per(own), strings.Join(others, ", "), "–", "–")
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func memoryGoal(d drain) string {
	if !d.logOnly && (d.changes > 1_000_000 || d.per == d.changes) {
		return "200 MiB"
	}
	return "100 MiB"
}
