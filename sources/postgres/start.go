package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"tailstock/connector/cdc"
)

// opened is what Tail found out before it starts to stream.
type opened struct {
	// conn is an ordinary connection, repl the one for replication, pid its server process.
	conn *pgx.Conn
	repl *pgconn.PgConn
	from token
	// first says that from is the first token of the source.
	first bool
	// confirmed is the position from which the slot delivers.
	confirmed lsn
	catalog   map[uint32]*relation
}

// open connects, makes sure that everything after from can be delivered, and
// makes the slot if nothing was read yet. The caller closes the result, also after an error.
func (s *Source) open(ctx context.Context, from cdc.Resume) (o opened, err error) {
	if from != "" {
		if o.from, err = parseToken(from); err != nil {
			return o, err
		}
	}
	if o.conn, err = s.cfg.connect(ctx); err != nil {
		return o, refusal(err)
	}
	if o.repl, err = s.cfg.connectWALSender(ctx); err != nil {
		return o, refusal(err)
	}
	id, err := identify(ctx, o.repl, o.conn)
	if err != nil {
		return o, err
	}
	slot, err := readSlot(ctx, o.conn, s.cfg.Slot)
	if err != nil {
		return o, err
	}
	if o.first = from == ""; o.first {
		return o, s.openFirst(ctx, &o, id, slot)
	}
	if err := continuity(ctx, o.repl, o.from, id, slot, s.cfg.Slot); err != nil {
		return o, err
	}
	o.confirmed = slot.confirmed
	o.from.server = id.server
	if slot.activePID != 0 {
		return o, slot.busy(ctx, o.conn, s.cfg)
	}
	o.catalog, err = s.preflight(ctx, o.conn)
	return o, err
}

// refusal makes a *cdc.SetupError of an error with which the server refuses a
// session for good, and leaves others as they are.
func refusal(err error) error {
	switch sqlState(err) {
	case statePassword, stateAuthorization, stateNoDatabase:
		return &cdc.SetupError{Object: "session", Problem: "is refused by the server", Fix: connectFix(err), Err: err}
	case statePrivilege:
		return &cdc.SetupError{
			Object: "session", Problem: "is refused by the server", Err: err,
			Fix: "grant the role what it lacks: LOGIN and REPLICATION (ALTER ROLE … REPLICATION), CONNECT on the database",
		}
	}
	return err
}

// close releases the connections that open left behind.
func (o *opened) close() {
	if o.conn != nil && !o.conn.IsClosed() {
		_ = hangUp(o.conn)
	}
	if o.repl != nil && !o.repl.IsClosed() {
		_ = hangUpRaw(o.repl)
	}
}

// startStream begins to stream from the slot's confirmed position. It takes
// repl over in any case.
func startStream(ctx context.Context, repl *pgconn.PgConn, cfg Config) (*stream, error) {
	st, err := newStream(ctx, repl)
	if err != nil {
		return nil, err
	}
	if err := st.begin(ctx, cfg, startSQL(cfg)); err != nil {
		_ = st.conn.Close()
		return nil, err
	}
	return st, nil
}

// begin sends command and waits until the server streams.
func (s *stream) begin(ctx context.Context, cfg Config, command string) error {
	stop := context.AfterFunc(ctx, s.interrupt)
	defer stop()
	if err := s.send(&pgproto3.Query{String: command}, cfg.WALSenderTimeout); err != nil {
		return err
	}
	deadline := time.Now().Add(cfg.WALSenderTimeout)
	for {
		m, ok, err := s.next()
		if err != nil {
			return err
		}
		switch {
		case !ok:
			if err := s.fill(ctx, deadline); err != nil {
				return fmt.Errorf("start streaming from slot %q: %w", cfg.Slot, err)
			}
		case m.kind == 'W': // CopyBothResponse
			return nil
		case m.kind == 'E':
			return startError(cfg, m.body)
		case m.kind != 'N' && m.kind != 'S': // NoticeResponse, ParameterStatus
			return fmt.Errorf("start streaming from slot %q: unexpected message %q", cfg.Slot, m.kind)
		}
	}
}

// startSQL asks for protocol version 1 from the slot's confirmed position on.
// The list of publications is a string with identifiers in it, so names are quoted twice.
func startSQL(cfg Config, more ...string) string {
	publication := pgx.Identifier{cfg.Publication}.Sanitize()
	options := append([]string{
		`proto_version '1'`,
		`publication_names '` + strings.ReplaceAll(publication, `'`, `''`) + `'`,
	}, more...)
	return `START_REPLICATION SLOT ` + pgx.Identifier{cfg.Slot}.Sanitize() +
		` LOGICAL 0/0 (` + strings.Join(options, ", ") + `)`
}

func startError(cfg Config, body []byte) error {
	err := streamError(cfg.Slot, body)
	if sqlState(err) == stateObjectInUse {
		return fmt.Errorf("%w: another daemon reads it, or one that died does not let go of it before its wal_sender_timeout (ours is %v)",
			err, cfg.WALSenderTimeout)
	}
	return err
}
