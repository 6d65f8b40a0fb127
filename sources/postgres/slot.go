package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tailstock/connector/cdc"
)

// slotState is a row of pg_replication_slots.
type slotState struct {
	name         string
	kind         string
	plugin       string
	database     string
	sameDatabase bool
	temporary    bool
	twoPhase     bool
	// activePID is the server process that reads the slot, 0 if none does.
	activePID int32
	// walStatus is reserved, extended, unreserved or lost.
	walStatus string
	// invalidation says why the slot was invalidated, empty if it was not or the
	// server is older than 17.
	invalidation string
	// safeBytes is how much log may still be written before the slot is
	// invalidated, nil if there is no limit.
	safeBytes *int64
	// confirmed is confirmed_flush_lsn, zero while the slot is being made.
	confirmed lsn
	// retained and unconfirmed are bytes of log behind restart_lsn and confirmed_flush_lsn.
	retained, unconfirmed int64
}

// readSlot reads the state of a slot; nil if there is none of that name.
func readSlot(ctx context.Context, conn *pgx.Conn, name string) (*slotState, error) {
	// Columns that some versions lack are read by way of jsonb, which has NULL for them.
	const query = `
		SELECT s.slot_type, coalesce(s.plugin, ''), coalesce(s.database, ''),
			coalesce(s.database, '') = current_database(), s.temporary,
			coalesce((to_jsonb(s)->>'two_phase')::bool, false),
			coalesce(s.active_pid, 0), coalesce(s.wal_status, ''),
			coalesce(to_jsonb(s)->>'invalidation_reason', ''), s.safe_wal_size,
			coalesce(s.confirmed_flush_lsn, '0/0')::text,
			coalesce(pg_wal_lsn_diff(w.now, s.restart_lsn), 0)::int8,
			coalesce(pg_wal_lsn_diff(w.now, s.confirmed_flush_lsn), 0)::int8
		FROM pg_catalog.pg_replication_slots s, (SELECT pg_current_wal_lsn() AS now) w
		WHERE s.slot_name = $1`
	s := &slotState{name: name}
	var confirmed string
	err := conn.QueryRow(ctx, query, name).Scan(&s.kind, &s.plugin, &s.database, &s.sameDatabase, &s.temporary,
		&s.twoPhase, &s.activePID, &s.walStatus, &s.invalidation, &s.safeBytes, &confirmed, &s.retained, &s.unconfirmed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		s.confirmed, err = parseLSN(confirmed)
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of slot %q: %w", name, err)
	}
	return s, nil
}

// foreign says what makes the slot another than ours, empty if nothing does.
func (s *slotState) foreign() string {
	switch {
	case s.kind != "logical":
		return "is a " + s.kind + " slot"
	case s.plugin != "pgoutput":
		return fmt.Sprintf("uses the plugin %q instead of pgoutput", s.plugin)
	case !s.sameDatabase:
		return fmt.Sprintf("belongs to the database %q", s.database)
	case s.temporary:
		return "is temporary"
	case s.twoPhase:
		return "was made with two_phase, which sends transactions before they commit"
	default:
		return ""
	}
}

// lost returns a *cdc.GapError if the server no longer keeps what the slot
// needs. The status "unreserved" is not that: the log is still there, and a
// confirmation in time saves the slot.
func (s *slotState) lost() error {
	if s.walStatus != "lost" && s.invalidation == "" {
		return nil
	}
	reason := s.invalidation
	if reason == "" {
		reason = "its log was removed, probably because of max_slot_wal_keep_size"
	}
	return &cdc.GapError{
		Reason: cdc.GapSlotLost,
		Detail: fmt.Sprintf("the server invalidated slot %q: %s", s.name, reason),
		Fix:    reloadFix,
	}
}

// busy describes the process that reads the slot. The caller may try again.
func (s *slotState) busy(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	// Of a session of another role, all but the process is hidden.
	const query = `
		SELECT coalesce(nullif(application_name, ''), 'unknown'), coalesce(host(client_addr), 'local')
		FROM pg_catalog.pg_stat_activity WHERE pid = $1`
	application, address := "unknown", "unknown"
	err := conn.QueryRow(ctx, query, s.activePID).Scan(&application, &address)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look for the reader of slot %q: %w", s.name, err)
	}
	return fmt.Errorf("slot %q is in use by server process %d (application %q, client %s): another daemon reads it, "+
		"or one that died does not let go of it before its wal_sender_timeout (ours is %v)",
		s.name, s.activePID, application, address, cfg.WALSenderTimeout)
}

// createSlot makes the slot and returns the position from which it delivers.
// It waits until all transactions that were writing when it began have ended.
func createSlot(ctx context.Context, conn *pgconn.PgConn, name string, version int) (lsn, error) {
	results, err := conn.Exec(ctx, createSlotSQL(name, version)).ReadAll()
	if err != nil {
		return 0, createSlotError(name, err)
	}
	// The columns are slot_name, consistent_point, snapshot_name, output_plugin.
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 4 {
		return 0, fmt.Errorf("create slot %q: the server's answer has another form", name)
	}
	point, err := parseLSN(string(results[0].Rows[0][1]))
	if err != nil {
		return 0, fmt.Errorf("create slot %q: %w", name, err)
	}
	// Any command ends the transaction that holds the exported snapshot.
	if _, err := pglogrepl.IdentifySystem(ctx, conn); err != nil {
		return 0, fmt.Errorf("create slot %q: %w", name, err)
	}
	return point, nil
}

// createSlotSQL makes the server build a full snapshot and export it, although
// nobody reads it: a slot made without one could decode transactions from their
// middle on, before the minor releases of August 2024. The snapshot lives until
// the connection's next command.
func createSlotSQL(name string, version int) string {
	command := `CREATE_REPLICATION_SLOT ` + pgx.Identifier{name}.Sanitize() + ` LOGICAL pgoutput `
	if version >= 17 {
		return command + `(SNAPSHOT 'export', FAILOVER)`
	}
	return command + `EXPORT_SNAPSHOT`
}

func createSlotError(name string, err error) error {
	setup := &cdc.SetupError{Object: fmt.Sprintf("slot %q", name), Err: err}
	switch sqlState(err) {
	case stateConfigLimit:
		setup.Problem = "cannot be made, because all of the server's slots are in use"
		setup.Fix = "drop slots that nobody reads (SELECT * FROM pg_replication_slots WHERE NOT active), " +
			"or raise max_replication_slots and restart the server"
	case stateNotInState:
		setup.Problem = "cannot be made"
		setup.Fix = "ALTER SYSTEM SET wal_level = 'logical', and restart the server"
	case statePrivilege:
		setup.Problem = "cannot be made by this role"
		setup.Fix = "ALTER ROLE … REPLICATION"
	default:
		return fmt.Errorf("create slot %q: %w", name, err)
	}
	return setup
}
