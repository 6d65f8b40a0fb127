package postgres

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/failpoint"
	"tailstock/sources/tailing"
)

// decoder turns the messages of one stream into transactions. It does no I/O
// but what its binder asks of the catalog, and is used by one goroutine.
//
// A transaction whose commit record starts before from was emitted by an
// earlier Tail. It is read again only for confirmation; its rows are not looked at.
type decoder struct {
	binder  *binder
	confirm *confirmation
	server  server
	from    lsn
	// partRows and partBytes bound a part.
	partRows, partBytes int

	// emitted is the position of the newest token: every commit that starts
	// before it is emitted or in ready.
	emitted lsn
	// progress says that emitted moved since the last token that was handed on.
	progress bool
	// ready are the decoded transactions to hand on, and readyBytes their size.
	ready      []tailing.Delivery
	readyBytes int
	// crowded says that confirmation has no room for another commit for now.
	crowded bool
	// lag is the time from the last commit to the moment when the server sent it.
	lag time.Duration

	open    bool
	skip    bool
	begin   beginMessage
	part    int
	changes []cdc.Change
	bytes   int
	// id and before are the transaction's number and the token from before it,
	// made when its first part is.
	id, at string
	before cdc.Resume

	texts   tailing.TextSlab
	values  tailing.ValueSlab
	scratch []byte
}

// Memory that a transaction and a value take beside their text, in bytes.
const (
	transactionBytes = 320
	changeBytes      = 80
	valueBytes       = 24
)

func newDecoder(cfg Config, from token, b *binder, c *confirmation) *decoder {
	return &decoder{
		binder: b, confirm: c, server: from.server, from: from.position, emitted: from.position,
		partRows: cfg.PartRows, partBytes: cfg.PartBytes,
	}
}

var (
	errNotOpen = errors.New("pgoutput sent a change outside a transaction")
	errOpen    = errors.New("pgoutput began a transaction inside another")
)

// message decodes one message, which the server sent at the given time by its
// clock. It does not keep b.
func (d *decoder) message(b []byte, sent serverTime) error {
	w := &wire{b: b}
	switch kind := w.uint8(); kind {
	case kindInsert, kindUpdate, kindDelete:
		return d.change(kind, w)
	case kindBegin:
		return d.beginTransaction(w)
	case kindCommit:
		return d.commit(w, sent)
	case kindRelation:
		m, err := parseRelation(w)
		if err != nil {
			return err
		}
		return d.binder.bind(m)
	case kindTruncate:
		return d.truncate(w)
	case kindOrigin, kindType, kindLogical:
		return parseIgnored(kind, w)
	default:
		return fmt.Errorf("pgoutput sent a message of unknown kind %q", kind)
	}
}

func (d *decoder) beginTransaction(w *wire) error {
	m, err := parseBegin(w)
	switch {
	case err != nil:
		return err
	case d.open:
		return errOpen
	}
	d.open, d.begin, d.part, d.bytes = true, m, 0, 0
	d.skip = m.commit < d.from
	if !d.skip && m.commit < d.emitted {
		return fmt.Errorf("transaction %d commits at %s, before %s, which was read already", m.xid, m.commit, d.emitted)
	}
	return nil
}

func (d *decoder) commit(w *wire, sent serverTime) error {
	m, err := parseCommit(w)
	switch {
	case err != nil:
		return err
	case !d.open:
		return errNotOpen
	case m.start != d.begin.commit || m.end <= m.start:
		return fmt.Errorf("transaction %d began with commit position %s and commits from %s to %s",
			d.begin.xid, d.begin.commit, m.start, m.end)
	case d.skip && m.end > d.from:
		// A position of ours is always between two records of the history it is from.
		return &cdc.GapError{
			Reason: cdc.GapDiverged,
			Detail: fmt.Sprintf("a commit record from %s to %s lies across %s, where we stopped reading: "+
				"the server was set back to an earlier state and went on from there", m.start, m.end, d.from),
			Fix: reloadFix,
		}
	}
	d.open = false
	d.lag = sent.since(m.at)
	d.crowded = !d.confirm.committed(d.begin.xid, m.start, m.end)
	if d.skip {
		return nil
	}
	wanted := d.part > 0 || len(d.changes) > 0
	if wanted {
		d.flush(m.end)
	}
	d.emitted, d.progress = m.end, !wanted
	return nil
}

// passed notes a keepalive: no commit that starts before position comes any more.
func (d *decoder) passed(position lsn) {
	if d.open {
		return // the server may be in the middle of decoding what it reports
	}
	d.confirm.passed(position)
	if position > d.emitted {
		d.emitted, d.progress = position, true
	}
}

// reached reports whether a keepalive with position stands between transactions,
// and not before what is emitted.
func (d *decoder) reached(position lsn) bool { return !d.open && position >= d.emitted }

// flushProgress makes the newest position ready as progress, if transactions
// have not carried it already. It does nothing inside a transaction.
func (d *decoder) flushProgress() {
	if !d.progress || d.open {
		return
	}
	d.progress = false
	d.deliver(&cdc.Transaction{Last: true, Resume: d.token(d.emitted)}, 0)
}

// flush makes the collected changes ready: as the last part of the transaction
// if end is the end of its commit record, as an earlier part if end is zero.
func (d *decoder) flush(end lsn) {
	if d.part == 0 {
		d.id = d.texts.Add(strconv.AppendUint(d.scratch[:0], uint64(d.begin.xid), 10))
		d.scratch = appendLSN(d.scratch[:0], d.begin.commit)
		d.at = d.texts.Add(d.scratch)
		d.before = ""
	}
	t := &cdc.Transaction{
		ID:          d.id,
		CommittedAt: d.begin.at.time(),
		At:          d.at,
		Changes:     append(make([]cdc.Change, 0, len(d.changes)), d.changes...),
		Part:        d.part,
		Last:        end != 0,
	}
	switch {
	case t.Last:
		t.Resume = d.token(end)
	default:
		if d.before == "" {
			d.before = d.token(d.emitted)
		}
		t.Resume = d.before
	}
	clear(d.changes)
	d.changes = d.changes[:0]
	d.deliver(t, d.bytes)
	d.part++
	d.bytes = 0
}

func (d *decoder) deliver(t *cdc.Transaction, bytes int) {
	bytes += transactionBytes
	d.ready = append(d.ready, tailing.Delivery{Transaction: t, Bytes: bytes})
	d.readyBytes += bytes
	failpoint.Hit("source.decoded")
}

// take returns what is ready and its size. It is valid until the next message.
func (d *decoder) take() (ready []tailing.Delivery, bytes int) {
	ready, bytes = d.ready, d.readyBytes
	d.ready, d.readyBytes = d.ready[:0], 0
	return ready, bytes
}

func (d *decoder) token(position lsn) cdc.Resume {
	d.scratch = d.server.appendToken(d.scratch[:0], position)
	return cdc.Resume(d.texts.Add(d.scratch))
}

// add collects a change, ending a part before it if that is full.
func (d *decoder) add(c cdc.Change) {
	if n := len(d.changes); n > 0 && (n >= d.partRows || d.bytes >= d.partBytes) {
		d.flush(0)
	}
	d.changes = append(d.changes, c)
	d.bytes += changeBytes + valueBytes*(len(c.Before)+len(c.After))
}
