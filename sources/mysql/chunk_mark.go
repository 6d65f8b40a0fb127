package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	if t := &a.mark.token; t.byGTID && t.server.flavor == flavorMySQL {
		return a.awaitExecuted(ctx)
	}
	return a.awaitCommitted(ctx)
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
		err = errors.New("the server does not tell the place up to which its log is committed")
	}
	if err != nil {
		return place{}, fmt.Errorf("read binlog_snapshot_position: %w", err)
	}
	return p, nil
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
