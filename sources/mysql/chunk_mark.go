package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// invisibleError is returned when what the stream has delivered is not visible
// to other sessions yet: a commit is in the log, and sent to replicas, before it
// is committed in the storage engine.
type invisibleError struct{ what string }

func (e *invisibleError) Error() string { return e.what + " is not visible yet" }

// awaitMark makes sure that a moment from now on sees everything that the stream
// had delivered when the window opened. It fails with *invisibleError if not.
func (a *reading) awaitMark(ctx context.Context) error {
	if err := a.awaitXA(ctx); err != nil {
		return err
	}
	return a.awaitOrdered(ctx)
}

// awaitOrdered is awaitMark for what the server commits in the order of its log.
func (a *reading) awaitOrdered(ctx context.Context) error {
	if t := &a.mark.token; t.byGTID && t.server.flavor == flavorMySQL {
		return a.awaitExecuted(ctx)
	}
	err := a.awaitCommitted(ctx)
	if errors.Is(err, errNoCommitted) && !a.mark.token.byGTID {
		return a.awaitRows(ctx)
	}
	return err
}

// awaitExecuted compares with the transactions that MySQL has executed: one is
// counted only after the storage engine has committed it. What performance_schema
// says of the log (log_status) counts it before (observed), and so is of no use.
func (a *reading) awaitExecuted(ctx context.Context) error {
	var text string
	if err := a.session.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&text); err != nil {
		return fmt.Errorf("read the executed GTIDs: %w", err)
	}
	executed, err := parseMySQLSet(text)
	if err != nil {
		return err
	}
	if !executed.contains(a.mark.token.set) {
		return &invisibleError{a.mark.token.set.without(executed).String()}
	}
	return nil
}

// committedReads is how often the place up to which the log is committed is read.
// The server keeps the last answer to anybody in one buffer, so that one read may
// bring another session's answer, or half of it (observed: 3 in 100 where six
// sessions ask all the time). Every answer was right when it was given, which is
// all that is needed; answers that grow are whole ones.
const committedReads = 3

// awaitCommitted compares with the place up to which the storage engine has
// committed what is in the log, by MariaDB's and Percona Server's status variables.
func (a *reading) awaitCommitted(ctx context.Context) error {
	marked := a.mark.token.place
	var last place
	for range committedReads {
		p, err := a.session.committed(ctx)
		if err != nil {
			return err
		}
		if p.compare(marked) < 0 || p.compare(last) < 0 {
			return &invisibleError{"the log up to " + marked.String()}
		}
		if fileNumber(p.file) > fileNumber(marked.file) {
			return nil // a file is left when all of it is committed
		}
		last = p
	}
	return nil
}

var errNoCommitted = errors.New("the server does not tell the place up to which its log is committed")

func (s *readSession) committed(ctx context.Context) (p place, err error) {
	found := 0
	err = eachRow(ctx, s, "SHOW STATUS LIKE 'binlog_snapshot_%'", nil, func(rows *sql.Rows) error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		switch strings.ToLower(name) {
		case "binlog_snapshot_file":
			p.file = value
			found++
		case "binlog_snapshot_position":
			found++
			p.pos, err = strconv.ParseUint(value, 10, 64)
			return err
		}
		return nil
	})
	if err == nil && (found != 2 || p.file == "") {
		err = errNoCommitted
	}
	if err != nil {
		return place{}, fmt.Errorf("read binlog_snapshot_position: %w", err)
	}
	return p, nil
}

// awaitRows is for a MySQL without GTIDs, which tells nothing of what is visible: a
// row that a transaction changed is locked until the storage engine has committed
// it, so that a locking read of it waits for that. One row of the newest transaction
// is enough: as long as the server commits in the order of its log, all before it
// are visible when it is (observed: a view sees a beginning of the log).
func (a *reading) awaitRows(ctx context.Context) error {
	if strings.EqualFold(a.session.facts.vars["binlog_order_commits"], "OFF") {
		return &cdc.SetupError{
			Object:  "binlog_order_commits",
			Problem: "is OFF, and the server has no GTIDs: nothing tells which transactions a read of a table sees",
			Fix:     "SET GLOBAL binlog_order_commits = ON, or set gtid_mode to ON",
		}
	}
	if len(a.mark.ring) == 0 {
		return nil
	}
	row := a.mark.ring[len(a.mark.ring)-1]
	err := a.awaitRow(ctx, row)
	switch {
	case errorNumber(err) == errLockWaitTimeout:
		return &invisibleError{fmt.Sprintf("row %q of table %s", row.key, row.table)}
	case gone(err):
	case err != nil:
		return fmt.Errorf("wait for row %q of table %s: %w", row.key, row.table, err)
	}
	a.source.ring.visible(a.mark.ring)
	return nil
}

// visible forgets transactions that proved to be visible.
func (r *ring) visible(rows []ringRow) {
	proved := make(map[place]bool, len(rows))
	for i := range rows {
		proved[rows[i].start] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = slices.DeleteFunc(r.rows, func(row ringRow) bool { return proved[row.start] })
}

// awaitRow waits until nobody holds a row that was changed, at most for as long as
// the session waits for locks. It holds the row for a moment itself, and no gap
// where there is none any more: sessions begin with READ COMMITTED.
func (a *reading) awaitRow(ctx context.Context, row ringRow) error {
	plan, err := a.source.plan(ctx, a.session, row.table)
	var setup *cdc.SetupError
	if errors.As(err, &setup) {
		// Perhaps it can only not be read in chunks, for want of transactions.
		plan, err = a.source.newPlan(ctx, a.session, cdc.Wanted{row.table: nil}, aboutReading)
	}
	if err != nil {
		return err
	}
	params, err := plan.parameters(row.key)
	if err != nil {
		return nil // a key of before the table was altered: the DDL waited for the row
	}
	tests := make([]string, len(plan.key))
	for i := range plan.key {
		tests[i] = plan.test(i, "=")
	}
	query := "SELECT 1 FROM " + plan.fromSQL() + " WHERE " + strings.Join(tests, " AND ") + " LOCK IN SHARE MODE"
	stmt, err := a.session.prepared(ctx, query) //nolint:sqlclosecheck // the session keeps it
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, params...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// orderedXA is the version from which MySQL commits XA transactions in the order
// of its log, as all others.
const orderedXA = 8_00_29

// awaitXA waits for XA transactions whose commit was delivered. Their order in the
// storage engine is none: the log has XA COMMIT before. Until then the server
// lists them as prepared (observed on MariaDB 10.11).
func (a *reading) awaitXA(ctx context.Context) error {
	if len(a.mark.xa) == 0 || !a.session.isMariaDB() && a.session.facts.version >= orderedXA {
		return nil
	}
	prepared, err := readXA(ctx, a.session)
	if err != nil {
		return err
	}
	for _, xid := range a.mark.xa {
		if slices.Contains(prepared, xid) {
			return &invisibleError{"XA transaction " + xid}
		}
	}
	a.source.delivered.committed(a.mark.xa)
	return nil
}
