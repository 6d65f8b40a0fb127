package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// opened is what Tail found out before it starts to stream.
type opened struct {
	// db has the two sessions of Tail: one to watch the server, one for what the
	// decoder asks.
	db            *sql.DB
	conn, lookups *sql.Conn
	facts         facts
	from          token
	// first says that from is the first token of the source.
	first bool
	// asOf is the place up to which nothing matters to what the catalog says.
	asOf   place
	folded bool
	// plain says that sessions go without TLS, as tls=preferred lets them.
	plain      bool
	placeQuery string
	catalog    map[cdc.TableName]*description
	lookup     *serverLookup
	binder     *binder
}

// begin connects, and makes sure that everything after from can be delivered. The
// caller closes the result, also after an error.
func (s *Source) begin(ctx context.Context, from cdc.Resume) (o *opened, err error) {
	o = &opened{first: from == ""}
	if !o.first {
		if o.from, err = parseToken(from); err != nil {
			return o, err
		}
	}
	if o.db, err = s.cfg.open(); err != nil {
		return o, err
	}
	if o.conn, err = o.db.Conn(ctx); err != nil {
		return o, refusal(err)
	}
	if o.lookups, err = o.db.Conn(ctx); err != nil {
		return o, refusal(err)
	}
	if o.facts, err = readFacts(ctx, o.conn); err != nil {
		return o, err
	}
	if err := o.facts.requireLog(); err != nil {
		return o, err
	}
	if o.plain, err = s.withoutTLS(ctx, o.conn); err != nil {
		return o, err
	}
	o.folded, o.placeQuery = o.facts.folded(), o.facts.statusQuery()
	if o.first {
		o.from, err = o.firstToken(ctx)
	} else {
		err = o.continuity(ctx)
	}
	if err != nil {
		return o, err
	}
	if o.catalog, err = s.preflight(ctx, o.conn); err != nil {
		return o, err
	}
	return o, s.undecided(ctx, o)
}

// withoutTLS reports whether a session goes without TLS although the dsn would have it.
func (s *Source) withoutTLS(ctx context.Context, conn *sql.Conn) (bool, error) {
	d, err := s.cfg.driver()
	if err != nil || d.TLS == nil || !d.AllowFallbackToPlaintext {
		return false, err
	}
	var name, cipher string
	if err := conn.QueryRowContext(ctx, "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil {
		return false, fmt.Errorf("ask for the session's cipher: %w", err)
	}
	return cipher == "", nil
}

// refusal makes a *cdc.SetupError of an error with which the server refuses a
// session for good, and leaves others as they are.
func refusal(err error) error {
	switch errorNumber(err) {
	case errAccessDenied, errDatabaseDenied, errUnknownDatabase:
		return &cdc.SetupError{
			Object: "session", Problem: "is refused by the server", Err: err,
			Fix: "check user, password and database of the dsn, and the host that the account is for",
		}
	}
	return fmt.Errorf("connect: %w", err)
}

// undecided notes the XA transactions of which an earlier Tail may have delivered
// the commit before the engine had it.
func (s *Source) undecided(ctx context.Context, o *opened) error {
	if o.facts.server.flavor == flavorMySQL && o.facts.version >= 80029 {
		return nil // there the log has a commit after the engine
	}
	xids, err := readXA(ctx, o.conn)
	if err != nil && !refused(err) {
		return err
	}
	for _, xid := range xids {
		s.delivered.decide(xid)
	}
	return nil
}

// firstToken is the token of a place before which every commit is visible.
func (o *opened) firstToken(ctx context.Context) (t token, err error) {
	t = token{server: o.facts.server, byGTID: o.facts.gtids()}
	if t.server.flavor == flavorMariaDB {
		err = o.snapshotToken(ctx, &t)
		return t, err
	}
	at, err := readPlace(ctx, o.conn, o.placeQuery)
	if err != nil || !t.byGTID {
		t.place, o.asOf = at, at
		// What may be invisible is in this file: see ring.
		t.again = place{at.file, binlogStart}.String()
		return t, err
	}
	o.asOf = at
	// A commit enters gtid_executed when it is visible. What the file has before its
	// end may not be; what older files have is.
	t.place = place{at.file, binlogStart}
	var executed string
	if err := o.conn.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_executed").Scan(&executed); err != nil {
		return t, fmt.Errorf("read gtid_executed: %w", err)
	}
	t.set, err = parseMySQLSet(executed)
	return t, err
}

// binlogStart is the offset of the first event of a file.
const binlogStart = 4

// snapshotToken is the place of a consistent snapshot, which sees every commit
// before it.
func (o *opened) snapshotToken(ctx context.Context, t *token) error {
	at, err := snapshotPlace(ctx, o.conn)
	if err != nil {
		return err
	}
	t.place, o.asOf = at, at
	var gtids sql.NullString
	if err := o.conn.QueryRowContext(ctx, "SELECT BINLOG_GTID_POS(?, ?)", at.file, at.pos).Scan(&gtids); err != nil {
		return fmt.Errorf("read the GTID position of %s: %w", at, err)
	}
	t.state, err = parseMariaState(gtids.String)
	return err
}

// snapshotReads is how often the place of a snapshot is read: the server fills what
// it shows for all sessions at once, so that one may see another's, older one.
const snapshotReads = 3

// snapshotPlace takes a consistent snapshot, and returns a place before which it
// sees every commit.
func snapshotPlace(ctx context.Context, conn *sql.Conn) (at place, err error) {
	if _, err := conn.ExecContext(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return place{}, fmt.Errorf("take a snapshot: %w", err)
	}
	for range snapshotReads {
		var p place
		if p, err = readSnapshotPlace(ctx, conn); err != nil {
			break
		}
		if at.file == "" || at.compare(p) < 0 {
			at = p
		}
	}
	if _, end := conn.ExecContext(ctx, "COMMIT"); err == nil && end != nil {
		err = fmt.Errorf("end a snapshot: %w", end)
	}
	return at, err
}

// readSnapshotPlace returns the place of the snapshot that the session has open.
func readSnapshotPlace(ctx context.Context, conn *sql.Conn) (p place, err error) {
	rows, err := conn.QueryContext(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return p, fmt.Errorf("read the place of a snapshot: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return p, fmt.Errorf("read the place of a snapshot: %w", err)
		}
		switch strings.ToLower(name) {
		case "binlog_snapshot_file":
			p.file = value
		case "binlog_snapshot_position":
			if _, err := fmt.Sscan(value, &p.pos); err != nil {
				return p, fmt.Errorf("read the place of a snapshot: %q: %w", value, err)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return p, fmt.Errorf("read the place of a snapshot: %w", err)
	}
	if p.file == "" {
		return p, fmt.Errorf("the server does not tell the place of a snapshot")
	}
	return p, nil
}

// definitions tells the binder which definitions of the catalog changes may be read by.
func (o *opened) definitions() error {
	b := o.binder
	b.trust(o.from.schema)
	if !o.facts.named() && o.from.schema == "" {
		o.from.schema = unnamedSchema
	}
	if o.facts.named() {
		return nil
	}
	// The catalog was read after the first token's place, and that of a later Tail may
	// have tables of which the token knows nothing.
	for name, trusted := range b.trusted {
		if trusted && !o.first {
			continue
		}
		altered, err := b.lookup.altered(name, o.asOf)
		if err != nil {
			return err
		}
		b.trusted[name] = b.catalog[name] != nil && !altered
	}
	return nil
}

// unnamedSchema stands for the digests of no table.
const unnamedSchema = "-"

// hangUp ends the replication session: its thread would notice that we have gone
// only when it next has something to send.
func (o *opened) hangUp(ctx context.Context, session uint32) {
	if session == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	conn, err := o.db.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.ExecContext(ctx, fmt.Sprintf("KILL %d", session)) // it may have ended by itself
}

// close releases the sessions.
func (o *opened) close() {
	for _, conn := range slices.DeleteFunc([]*sql.Conn{o.conn, o.lookups}, func(c *sql.Conn) bool { return c == nil }) {
		_ = conn.Close()
	}
	if o.db != nil {
		_ = o.db.Close()
	}
}
