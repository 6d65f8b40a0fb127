package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tailstock/connector/cdc"
)

// identity is what the server says of itself.
type identity struct {
	server
	// end is the end of its log, flushed to disk: nothing beyond it has ever been streamed.
	end lsn
	// version is the major version.
	version int
}

// identify asks both connections who they are connected to, and refuses two
// servers or a standby.
func identify(ctx context.Context, repl *pgconn.PgConn, conn *pgx.Conn) (identity, error) {
	id, err := pglogrepl.IdentifySystem(ctx, repl)
	if err != nil {
		return identity{}, fmt.Errorf("identify the server: %w", err)
	}
	var system string
	var standby bool
	var version int
	const query = `SELECT system_identifier::text, pg_is_in_recovery(),
		current_setting('server_version_num')::int / 10000 FROM pg_control_system()`
	if err := conn.QueryRow(ctx, query).Scan(&system, &standby, &version); err != nil {
		return identity{}, fmt.Errorf("identify the server: %w", err)
	}
	switch {
	case standby:
		return identity{}, errReadStandby()
	case system != id.SystemID:
		return identity{}, fmt.Errorf("two connections of one dsn reached different servers (systems %s and %s)", id.SystemID, system)
	}
	return identity{server{id.SystemID, id.Timeline}, id.XLogPos, version}, nil
}

// errReadStandby refuses a standby: its snapshots show running transactions as
// visible (observed).
func errReadStandby() error {
	return &cdc.SetupError{
		Object:  "server",
		Problem: "is a standby, whose snapshots do not tell which transactions are visible",
		Fix:     "connect to the primary (target_session_attrs=read-write chooses it among several hosts)",
	}
}

// continuity makes sure that the server can still deliver every commit after
// from: the same cluster, a history that contains from, and a slot of ours that
// has not been confirmed beyond it. Asked to start below its confirmed
// position, the server would go on from there without a word.
func continuity(ctx context.Context, repl *pgconn.PgConn, from token, id identity, slot *slotState, name string) error {
	gap := func(reason cdc.GapReason, format string, args ...any) error {
		return &cdc.GapError{Reason: reason, Detail: fmt.Sprintf(format, args...), Fix: reloadFix}
	}
	if from.server.system != id.system {
		return gap(cdc.GapServerReplaced, "we read the cluster with system identifier %s up to %s, and this one has %s",
			from.server.system, from.position, id.system)
	}
	if from.server.timeline != id.timeline {
		if err := sharedHistory(ctx, repl, from, id); err != nil {
			return err
		}
	}
	switch {
	case slot == nil:
		return gap(cdc.GapSlotMissing, "slot %q does not exist, and we read up to %s", name, from.position)
	case slot.foreign() != "":
		return gap(cdc.GapSlotForeign, "slot %q %s", name, slot.foreign())
	case slot.lost() != nil:
		return slot.lost()
	case slot.confirmed > from.position:
		return gap(cdc.GapSlotAdvanced, "slot %q delivers from %s on, and we read up to %s: "+
			"it was dropped and made anew, or moved by hand, or another reader confirmed it", name, slot.confirmed, from.position)
	case id.end < from.position:
		// What was streamed had been flushed before.
		return gap(cdc.GapDiverged, "the server's log ends at %s, and we read up to %s: it was set back to an earlier state",
			id.end, from.position)
	}
	return nil
}

// sharedHistory makes sure that from lies in the history that the server's
// present timeline grew out of.
func sharedHistory(ctx context.Context, repl *pgconn.PgConn, from token, id identity) error {
	diverged := &cdc.GapError{Reason: cdc.GapDiverged, Fix: reloadFix}
	if id.timeline < from.server.timeline {
		diverged.Detail = fmt.Sprintf("the server is on timeline %d, and we read up to %s on timeline %d",
			id.timeline, from.position, from.server.timeline)
		return diverged
	}
	history, err := pglogrepl.TimelineHistory(ctx, repl, id.timeline)
	if err != nil {
		return fmt.Errorf("read the history of timeline %d: %w", id.timeline, err)
	}
	left, ok, err := switchPoint(string(history.Content), from.server.timeline)
	switch {
	case err != nil:
		return fmt.Errorf("read the history of timeline %d: %w", id.timeline, err)
	case !ok:
		diverged.Detail = fmt.Sprintf("the history of the server's timeline %d does not contain timeline %d, on which we read up to %s",
			id.timeline, from.server.timeline, from.position)
		return diverged
	case from.position > left:
		diverged.Detail = fmt.Sprintf("the server's history left timeline %d at %s, and we read up to %s on it",
			from.server.timeline, left, from.position)
		return diverged
	}
	return nil
}

// switchPoint finds where a history left the given timeline. A history file has
// a line for each ancestor: its number, the position at which it was left, and
// a reason for people; empty lines and comments are allowed.
func switchPoint(history string, timeline int32) (at lsn, ok bool, err error) {
	for line := range strings.Lines(history) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return 0, false, fmt.Errorf("line %q", line)
		}
		if fields[0] != strconv.Itoa(int(timeline)) {
			continue
		}
		if at, err = parseLSN(fields[1]); err != nil {
			return 0, false, fmt.Errorf("line %q: %w", line, err)
		}
		return at, true, nil
	}
	return 0, false, nil
}
