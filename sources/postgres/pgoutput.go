package postgres

import "fmt"

// The messages of pgoutput, protocol version 1, as laid out in the chapter
// "Logical Replication Message Formats" of the PostgreSQL documentation. Parsing
// is strict: a message that is too short or too long is an error, because it
// means that we misunderstand the server.

// Message kinds.
const (
	kindBegin    = 'B'
	kindCommit   = 'C'
	kindOrigin   = 'O'
	kindRelation = 'R'
	kindType     = 'Y'
	kindInsert   = 'I'
	kindUpdate   = 'U'
	kindDelete   = 'D'
	kindTruncate = 'T'
	kindLogical  = 'M'
)

// Markers of tuples and of the values in them.
const (
	tupleKey = 'K'
	tupleOld = 'O'
	tupleNew = 'N'

	valueNull      = 'n'
	valueUnchanged = 'u'
	valueText      = 't'
)

type beginMessage struct {
	// commit is where the commit record starts.
	commit lsn
	at     serverTime
	xid    uint32
}

func parseBegin(w *wire) (beginMessage, error) {
	m := beginMessage{commit: w.lsn(), at: w.time(), xid: w.uint32()}
	return m, w.check("Begin")
}

type commitMessage struct {
	// start and end are those of the commit record.
	start, end lsn
	at         serverTime
}

func parseCommit(w *wire) (commitMessage, error) {
	w.uint8() // flags, none defined
	m := commitMessage{start: w.lsn(), end: w.lsn(), at: w.time()}
	return m, w.check("Commit")
}

// relationMessage describes a table as it was when the changes behind it were made.
type relationMessage struct {
	oid          uint32
	schema, name string
	// identity is the replica identity: d, n, f or i.
	identity byte
	columns  []columnMessage
}

type columnMessage struct {
	name string
	// key says that the column is part of the replica identity. All are under FULL.
	key    bool
	typ    uint32
	typmod int32
}

func parseRelation(w *wire) (*relationMessage, error) {
	m := &relationMessage{oid: w.uint32(), schema: w.text(), name: w.text(), identity: w.uint8()}
	if m.schema == "" {
		m.schema = "pg_catalog"
	}
	n := int(w.uint16())
	// A column takes at least ten bytes, so a broken count allocates little.
	m.columns = make([]columnMessage, 0, min(n, len(w.b)/10))
	for range n {
		if w.bad {
			break
		}
		flags := w.uint8()
		m.columns = append(m.columns, columnMessage{
			name: w.text(), key: flags&1 != 0, typ: w.uint32(), typmod: w.int32(),
		})
	}
	return m, w.check("Relation")
}

func (w *wire) check(message string) error {
	switch {
	case w.bad:
		return fmt.Errorf("pgoutput %s message is too short", message)
	case len(w.b) > 0:
		return fmt.Errorf("pgoutput %s message has %d bytes too many", message, len(w.b))
	}
	return nil
}

// parseIgnored checks the form of a message that carries nothing for us.
func parseIgnored(kind byte, w *wire) error {
	switch kind {
	case kindOrigin:
		w.lsn()
		w.text()
		return w.check("Origin")
	case kindType:
		w.uint32()
		w.text()
		w.text()
		return w.check("Type")
	default: // a logical message, sent only if asked for
		w.uint8()
		w.lsn()
		w.text()
		w.take(int(w.int32()))
		return w.check("Message")
	}
}

type truncateMessage struct {
	oids []uint32
}

func parseTruncate(w *wire) (truncateMessage, error) {
	n := int(w.int32())
	w.uint8() // cascade and restart identity: neither changes which rows are gone
	if n < 0 || n > len(w.b)/4 {
		return truncateMessage{}, fmt.Errorf("pgoutput Truncate message is too short for %d relations", n)
	}
	m := truncateMessage{oids: make([]uint32, n)}
	for i := range m.oids {
		m.oids[i] = w.uint32()
	}
	return m, w.check("Truncate")
}
