package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// unknownFile is the file of a place that precedes all others.
const unknownFile = "?"

// continuity makes sure that the server can still deliver every commit after from:
// that it has what was emitted, and has not removed what was not.
func (o *opened) continuity(ctx context.Context) error {
	from, now := &o.from, o.facts.server
	switch {
	case from.server.flavor != now.flavor:
		return o.replaced("it is of another kind")
	case !from.byGTID:
		return o.continuityByPlace(ctx)
	case !o.facts.gtids():
		return &cdc.SetupError{
			Object: "gtid_mode", Problem: "is " + o.facts.vars["gtid_mode"] + ", and we read by GTIDs so far",
			Fix: "SET GLOBAL gtid_mode = ON (by way of ON_PERMISSIVE), or load the tables anew",
		}
	}
	o.asOf = from.place
	var err error
	if now.flavor == flavorMariaDB {
		err = o.continuityOfMariaDB(ctx)
	} else {
		err = o.continuityOfMySQL(ctx)
	}
	if err == nil && from.server != now {
		from.server, from.place = now, place{unknownFile, 0}
	}
	return err
}

func (o *opened) gap(reason cdc.GapReason, format string, args ...any) error {
	return &cdc.GapError{Reason: reason, Detail: fmt.Sprintf(format, args...), Fix: reloadFix}
}

// replaced is the error of a server that is not the one that we read.
func (o *opened) replaced(why string) error {
	return o.gap(cdc.GapServerReplaced, "we read %s %s up to %s, and this is %s %s: %s",
		o.from.server.flavor, o.from.server.id, o.from.place, o.facts.server.flavor, o.facts.server.id, why)
}

// lacks is the error of a server that lacks what was emitted.
func (o *opened) lacks(what string) error {
	if o.from.server != o.facts.server {
		return o.replaced("it lacks transactions that we read (" + what + ")")
	}
	return o.gap(cdc.GapDiverged, "the server lacks transactions that we read (%s): it was set back to an earlier state", what)
}

// continuityOfMySQL compares sets: what was purged must have been emitted, and what
// was emitted must have been executed.
func (o *opened) continuityOfMySQL(ctx context.Context) error {
	executed, err := readExecuted(ctx, o.conn)
	if err != nil {
		return err
	}
	purged, err := parseMySQLSet(o.facts.vars["gtid_purged"])
	if err != nil {
		return err
	}
	if !executed.contains(o.from.set) {
		return o.lacks(o.from.set.without(executed).String())
	}
	if o.from.set.empty() && o.from.server != o.facts.server {
		return o.replaced("nothing that we read tells whether it is a replica of that one")
	}
	read := o.from.set
	if o.from.again != "" {
		again, err := parseMySQLSet(o.from.again)
		if err != nil {
			return err
		}
		read = read.without(again)
	}
	if !read.contains(purged) {
		return o.gap(cdc.GapLogPurged, "the server removed log with transactions that we have not read (%s)", purged.without(read))
	}
	return nil
}

// readExecuted returns the transactions that are executed, and those that are in
// the log already and not committed yet, which sessions own: a commit may hang there
// for as long as a semi-synchronous replica is away, and was sent before.
func readExecuted(ctx context.Context, q queryer) (*mysqlSet, error) {
	// In this order nothing slips through between the two.
	var owned, executed string
	if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_owned").Scan(&owned); err != nil {
		return nil, fmt.Errorf("read gtid_owned: %w", err)
	}
	if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&executed); err != nil {
		return nil, fmt.Errorf("read gtid_executed: %w", err)
	}
	set, err := parseMySQLSet(executed)
	if err != nil {
		return nil, err
	}
	return set, set.own(owned)
}

// own adds the GTIDs of "uuid:5#thread:6#thread#thread, uuid:tag:1#thread".
func (s *mysqlSet) own(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		items := strings.Split(part, ":")
		for i := range items {
			items[i], _, _ = strings.Cut(items[i], "#")
		}
		if err := s.parse(strings.Join(items, ":")); err != nil {
			return fmt.Errorf("owned GTIDs %q: %w", text, err)
		}
	}
	return nil
}

// continuityOfMariaDB makes sure that the server logged the last GTID that was emitted of
// each domain. Whether it still has what follows, only it knows: it says so when
// the stream begins.
func (o *opened) continuityOfMariaDB(context.Context) error {
	state, err := parseMariaState(o.facts.vars["gtid_binlog_state"])
	if err != nil {
		return err
	}
	for _, g := range o.from.state {
		if !state.reached(g) {
			return o.lacks(g.String())
		}
	}
	if len(o.from.state) == 0 && o.from.server != o.facts.server {
		return o.replaced("nothing that we read tells whether it is a replica of that one")
	}
	return nil
}

// continuityByPlace looks for the file and the offset that we read up to.
func (o *opened) continuityByPlace(ctx context.Context) error {
	o.asOf = o.from.place
	if o.from.server != o.facts.server {
		return o.replaced("without GTIDs no other server can take its place")
	}
	files, err := readFiles(ctx, o.conn)
	if err != nil {
		return err
	}
	need := o.from.place
	if o.from.again != "" {
		if need, err = parsePlace(o.from.again); err != nil {
			return err
		}
	}
	at := slices.IndexFunc(files, func(f place) bool { return f.file == need.file })
	switch {
	case at < 0 && len(files) > 0 && fileNumber(files[0].file) > fileNumber(need.file):
		return o.gap(cdc.GapLogPurged, "the server removed file %s, which we read from, and its log begins with %s", need.file, files[0].file)
	case at < 0:
		return o.gap(cdc.GapDiverged, "the server has no file %s, which we read from: its log was reset", need.file)
	case files[at].pos < need.pos:
		return o.gap(cdc.GapDiverged, "file %s ends at %d, and we read up to %d: the server lost the end of its log", need.file, files[at].pos, need.pos)
	}
	return nil
}

// readFiles lists the files of the log with their sizes.
func readFiles(ctx context.Context, q queryer) ([]place, error) {
	const query = "SHOW BINARY LOGS"
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	var files []place
	for rows.Next() {
		var p place
		into := []any{&p.file, &p.pos}
		for range columns[min(2, len(columns)):] {
			into = append(into, new(any))
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
		files = append(files, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	return files, nil
}
