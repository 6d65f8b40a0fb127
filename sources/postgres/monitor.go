package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// monitor watches the server on an ordinary connection: what is visible, how
// the slot fares, and whether the connection lives. A server that shuts down
// ends ordinary sessions first and then waits for its walsenders to be confirmed
// all they sent; because the monitor's end ends Tail, it does not wait for us.
type monitor struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	conn    *pgx.Conn
	confirm *confirmation
	// pid is the server process of the replication connection.
	pid uint32
	// observed is signalled after each snapshot.
	observed chan struct{}
	// walStatus is the slot's status as last seen.
	walStatus string
}

const (
	// snapshotInterval is how often a snapshot is taken while a commit is not known to be visible.
	snapshotInterval = time.Second
	// slotInterval is how often the slot is looked at, after a start that looks
	// more often: the server takes a moment to see a synchronous standby in us.
	slotInterval = 10 * time.Second
)

// run watches until ctx ends or something is found to be wrong.
func (m *monitor) run(ctx context.Context) error {
	var nextSlot time.Time
	interval := snapshotInterval
	for {
		if !time.Now().Before(nextSlot) {
			if err := m.within(ctx, m.checkSlot); err != nil {
				return err
			}
			nextSlot = time.Now().Add(interval)
			interval = min(2*interval, slotInterval)
		}
		if m.confirm.pending() > 0 {
			if err := m.within(ctx, m.observe); err != nil {
				return err
			}
		}
		if err := m.pause(ctx); err != nil {
			return err
		}
	}
}

// within gives f no longer than a dead server may stay unnoticed.
func (m *monitor) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.WALSenderTimeout)
	defer cancel()
	return f(ctx)
}

// observe takes a snapshot.
func (m *monitor) observe(ctx context.Context) error {
	snap, err := readSnapshot(ctx, m.conn)
	if err != nil {
		return err
	}
	m.confirm.observe(snap)
	m.metrics.unseen.Set(float64(m.confirm.pending()))
	tailing.Signal(m.observed)
	return nil
}

func readSnapshot(ctx context.Context, conn *pgx.Conn) (snapshot, error) {
	var text string
	if err := conn.QueryRow(ctx, `SELECT pg_current_snapshot()::text`).Scan(&text); err != nil {
		return snapshot{}, fmt.Errorf("read the current snapshot: %w", err)
	}
	return parseSnapshot(text)
}

// pause waits for the interval to pass, watching the connection meanwhile.
func (m *monitor) pause(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, snapshotInterval)
	defer cancel()
	for {
		err := m.conn.PgConn().WaitForNotification(wait)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case wait.Err() != nil && !m.conn.IsClosed():
			return nil
		case err != nil:
			return fmt.Errorf("the server ended the session that watches it: %w", err)
		}
	}
}

// checkSlot looks at the slot and at the replication session.
func (m *monitor) checkSlot(ctx context.Context) error {
	slot, err := readSlot(ctx, m.conn, m.cfg.Slot)
	if err != nil {
		return err
	}
	if slot == nil {
		return &cdc.GapError{
			Reason: cdc.GapSlotMissing,
			Detail: fmt.Sprintf("slot %q was dropped while it was read", m.cfg.Slot),
			Fix:    reloadFix,
		}
	}
	if err := slot.lost(); err != nil {
		return err
	}
	m.record(slot)
	return m.checkSynchronous(ctx)
}

func (m *monitor) record(slot *slotState) {
	m.metrics.retained.Set(float64(slot.retained))
	m.metrics.unconfirmed.Set(float64(slot.unconfirmed))
	safe := math.Inf(1)
	if slot.safeBytes != nil {
		safe = float64(*slot.safeBytes)
	}
	m.metrics.safe.Set(safe)
	if slot.walStatus == "unreserved" && m.walStatus != slot.walStatus {
		m.log.Warn("the server is about to remove log that the slot needs: max_slot_wal_keep_size is too small, or confirming is too slow",
			"slot", slot.name, "retained_bytes", slot.retained)
	}
	m.walStatus = slot.walStatus
}

// checkSynchronous refuses to be a synchronous standby, which the setting
// synchronous_standby_names = '*' makes of every walsender: commits would wait
// for our confirmation, and we do not confirm a commit before it is visible.
func (m *monitor) checkSynchronous(ctx context.Context) error {
	const query = `SELECT coalesce(sync_state, 'async') FROM pg_catalog.pg_stat_replication WHERE pid = $1`
	var state string
	err := m.conn.QueryRow(ctx, query, int64(m.pid)).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("the server that is watched does not have our replication session (process %d): "+
			"two connections of one dsn reached different servers, or it just ended", m.pid)
	case err != nil:
		return fmt.Errorf("look for our replication session: %w", err)
	case state == "async":
		return nil
	}
	return &cdc.SetupError{
		Object: "synchronous_standby_names",
		Problem: fmt.Sprintf("makes our connection (application_name %q) a synchronous standby (%s), "+
			"and commits would wait for us", m.cfg.ApplicationName, state),
		Fix: "ALTER SYSTEM SET synchronous_standby_names to a list without '*' and without that name, and SELECT pg_reload_conf()",
	}
}
