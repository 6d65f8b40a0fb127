package mysql

import (
	"fmt"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/failpoint"
	"tailstock/sources/tailing"
)

// decoder turns the events of one stream into transactions. It does no I/O but
// what its binder asks of the server, and is used by one goroutine.
type decoder struct {
	binder *binder
	// partRows and partBytes bound a part.
	partRows, partBytes int

	// at is the place behind the last event, and boundary that behind the last
	// group of events that belong together.
	at, boundary place
	// token is what was emitted or is in ready, as of boundary.
	token token
	// passed says of each of MariaDB's domains whether reading has come to what was emitted.
	passed map[uint32]bool
	// from is where emitting begins, if there are no GTIDs.
	from place
	// rereading says that reading began further back than emitting.
	rereading bool
	// behind says that it has not come to where emitting goes on: until then a place
	// would be one that was passed already, and what may be invisible is not known again.
	behind bool
	// group is what is being read.
	group group
	xa    prepared

	// progress says that token moved since the last one that was handed on.
	progress bool
	// ready are the decoded transactions to hand on, and readyBytes their size.
	ready      []tailing.Delivery
	readyBytes int
	// full, if not nil, is called within an event that holds a whole transaction when
	// much is ready: it takes that, and waits for room.
	full func() error
	// lag is the time from the last commit to when it was read.
	lag time.Duration

	part    int
	changes []cdc.Change
	bytes   int
	// id, place and before are the transaction's number, its place, and the token
	// from before it, made when its first part is.
	id, place string
	before    cdc.Resume

	texts          tailing.TextSlab
	values         tailing.ValueSlab
	scratch        []byte
	oldKey, newKey [][]byte
	// doubts are captured tables that the server may have changed without saying so.
	doubts []cdc.TableName
	// differing are the columns of which the last image had a difference.
	differing []int
}

// group is one group of events: a transaction, or a statement outside of any.
type group struct {
	open bool
	// begun says that it ends with a COMMIT or its like, and not with its first statement.
	begun bool
	// skip says that it was emitted by an earlier Tail, and is read again for the
	// sake of the XA transaction that it may prepare.
	skip  bool
	start place
	at    time.Time
	// gtid is the GTID of MariaDB; uuid, tag and number are MySQL's.
	gtid   mariaGTID
	uuid   uuid
	tag    string
	number uint64
	named  bool
	flavor flavor
	// xid is that of the XA transaction that the group prepares.
	xid string
	// again is from where to read the group again (see token.again).
	again string
}

// name is the transaction's identifier.
func (g *group) name() string { return string(g.append(nil)) }

func (g *group) append(b []byte) []byte {
	switch {
	case !g.named:
		return g.start.append(b)
	case g.flavor == flavorMariaDB:
		return g.gtid.append(b)
	}
	b = append(appendUUID(b, g.uuid[:]), ':')
	if g.tag != "" {
		b = append(append(b, g.tag...), ':')
	}
	return appendUint(b, g.number)
}

// Memory that a transaction and a value take beside their text, in bytes.
const (
	transactionBytes = 320
	changeBytes      = 80
	valueBytes       = 24
)

func newDecoder(cfg Config, from token, b *binder) *decoder {
	d := &decoder{
		rereading: from.again != "", behind: from.again != "",
		binder: b, partRows: cfg.PartRows, partBytes: cfg.PartBytes, token: from, from: from.place,
		at: from.place, boundary: from.place, passed: make(map[uint32]bool),
	}
	d.xa.limit = cfg.XABytes
	return d
}

// event decodes one event, whose checksum is gone.
func (d *decoder) event(raw []byte) error {
	w := &wire{b: raw}
	h := w.header()
	if w.bad {
		return errShort
	}
	start := d.at
	d.advance(&h)
	if h.end != 0 && h.flags&flagArtificial == 0 && d.at.pos >= uint64(h.size) {
		start = place{d.at.file, d.at.pos - uint64(h.size)}
	}
	if err := d.dispatch(&h, w.b, start); err != nil {
		return err
	}
	d.catchUp(&h)
	if !d.group.open && d.boundary != d.at {
		d.boundary, d.progress = d.at, true
	}
	return nil
}

// catchUp notes that reading came to where emitting goes on: at the place where it
// ended, at a transaction that was not emitted, or at the end of the log.
func (d *decoder) catchUp(h *eventHeader) {
	if !d.behind || h.kind == eventFormat {
		return
	}
	heartbeat := h.kind == eventHeartbeat || h.kind == eventHeartbeatV2
	arrived := h.flags&flagArtificial == 0 && !d.group.open && d.at.compare(d.from) >= 0
	if heartbeat || arrived || d.group.open && !d.group.skip && !d.group.prepares() {
		d.behind = false
	}
}

// advance moves to the end of an event. Of that its header has the lower half.
func (d *decoder) advance(h *eventHeader) {
	switch {
	case h.flags&flagArtificial != 0 && h.kind != eventHeartbeat, h.kind == eventRotate:
	case h.end != 0:
		d.at.pos += uint64(h.end - uint32(d.at.pos)) //nolint:gosec // modulo 2^32 is meant
	case h.kind != eventFormat && h.kind != eventHeartbeat:
		d.at.pos += uint64(h.size) // MariaDB 11.4 and later leave it out in the middle of transactions
	}
}

func (d *decoder) dispatch(h *eventHeader, body []byte, start place) error {
	switch h.kind {
	case eventWriteRows, eventUpdateRows, eventDeleteRows, eventWriteRowsV1, eventUpdateRowsV1, eventDeleteRowsV1,
		eventPartialUpdate, eventMariaWriteCompressed, eventMariaUpdateCompressed, eventMariaDeleteCompressed:
		if d.group.skip && !d.group.prepares() && d.binder.source.ring.size == 0 {
			return nil
		}
		return d.rows(h.kind, body)
	case eventTableMap:
		w := &wire{b: body}
		id := w.uint(6)
		w.uint16()
		if w.bad {
			return errShort
		}
		return d.binder.bind(id, w.b)
	case eventGTID, eventAnonymousGTID:
		return d.beginMySQL(h, body, start)
	case eventTaggedGTID:
		return d.beginTagged(h, body, start)
	case eventMariaGTID:
		return d.beginMariaDB(h, body, start)
	case eventXID:
		return d.finish()
	case eventQuery, eventMariaQueryCompressed:
		return d.query(h, body, start)
	case eventXAPrepare:
		return d.prepare(body)
	case eventPayload:
		return d.payload(body)
	case eventRotate:
		return d.rotate(h, body)
	case eventHeartbeat, eventHeartbeatV2, eventFormat, eventStop, eventPreviousGTIDs, eventRowsQuery, eventIgnorable,
		eventIntvar, eventRand, eventUserVar, eventContext, eventViewChange,
		eventMariaAnnotate, eventMariaCheckpoint, eventMariaGTIDList, eventMariaEncryption:
		return nil
	case eventBeginLoad, eventExecuteLoad:
		return d.statementRows("LOAD DATA", h)
	case eventIncident:
		return &cdc.GapError{
			Reason: cdc.GapSkipped,
			Detail: fmt.Sprintf("the server noted at %s that its binary log lacks changes (an incident)", start),
			Fix:    reloadFix,
		}
	}
	if h.flags&flagIgnorable != 0 {
		return nil
	}
	return fmt.Errorf("event of unknown type %d at %s", h.kind, start)
}

// rotate goes on to another file.
func (d *decoder) rotate(h *eventHeader, body []byte) error {
	w := &wire{b: body}
	pos := w.uint64()
	if w.bad || len(w.b) == 0 {
		return errShort
	}
	if d.group.open && h.flags&flagArtificial == 0 {
		return fmt.Errorf("file %s ends in the middle of transaction %s", d.at.file, d.group.name())
	}
	to := place{string(w.b), pos}
	if d.group.open && to.file != d.at.file {
		if err := d.abandon(); err != nil {
			return err
		}
	}
	d.at = to
	return nil
}

// abandon forgets a group that the file of a server that crashed ends in the
// middle of: it did not commit.
func (d *decoder) abandon() error {
	if d.part > 0 {
		return &cdc.GapError{
			Reason: cdc.GapSkipped,
			Detail: fmt.Sprintf("file %s ends in the middle of transaction %s, of which parts were delivered: the server crashed", d.at.file, d.group.name()),
			Fix:    reloadFix,
		}
	}
	d.drop()
	d.group = group{}
	return nil
}

// open begins a group.
func (d *decoder) open(g group) error {
	if d.group.open {
		return fmt.Errorf("transaction %s begins at %s within transaction %s", g.name(), g.start, d.group.name())
	}
	g.open, g.flavor = true, d.token.server.flavor
	d.group, d.part, d.bytes = g, 0, 0
	return nil
}

// finish ends the group: everything in it has happened.
func (d *decoder) finish() error {
	if !d.group.open {
		return fmt.Errorf("a commit outside a transaction at %s", d.at)
	}
	d.passRing()
	d.close()
	if d.group.skip {
		d.drop()
		return nil
	}
	d.lag = time.Since(d.group.at)
	switch {
	case d.part > 0 || len(d.changes) > 0:
		d.flush(true)
		d.progress = false
	case len(d.doubts) > 0:
		d.flushProgress(true)
	default:
		d.progress = true
	}
	return nil
}

// passRing notes the group and a row that it changed.
func (d *decoder) passRing() {
	r := &d.binder.source.ring
	if r.size == 0 {
		return
	}
	var last *cdc.Change
	if n := len(d.changes); n > 0 {
		last = &d.changes[n-1]
	}
	r.passed(d.group.start, last)
	d.readAgain()
}

// close notes the group's GTID and place in the token.
func (d *decoder) close() {
	g := &d.group
	g.open = false
	d.boundary = d.at
	d.token.place = d.at
	if g.skip || !g.named {
		return
	}
	if g.flavor == flavorMariaDB {
		d.token.state = d.token.state.set(g.gtid)
	} else {
		d.token.set.add(g.uuid, g.tag, g.number)
	}
}

// drop forgets what was collected.
func (d *decoder) drop() {
	clear(d.changes)
	d.changes, d.bytes = d.changes[:0], 0
}

// flushProgress makes the newest boundary ready as progress, if transactions have
// not carried it already. force does so also if it has not moved. It does nothing midway.
func (d *decoder) flushProgress(force bool) {
	if !d.progress && !force || d.midway() {
		return
	}
	d.progress = false
	d.deliver(&cdc.Transaction{Last: true, Resume: d.boundaryToken()}, 0)
}

// midway reports whether parts of a transaction are delivered, and its end is not,
// or reading has not come to where emitting goes on.
func (d *decoder) midway() bool { return d.behind || d.group.open && d.part > 0 }

// boundaryToken is the token to go on from the boundary.
func (d *decoder) boundaryToken() cdc.Resume {
	t := d.token
	t.place = d.boundary
	d.scratch = t.append(d.scratch[:0])
	return cdc.Resume(d.texts.Add(d.scratch))
}

// flush makes the collected changes ready, as the last part of the transaction or
// an earlier one.
func (d *decoder) flush(last bool) {
	if d.part == 0 {
		d.scratch = d.group.append(d.scratch[:0])
		d.id = d.texts.Add(d.scratch)
		d.scratch = d.group.start.append(d.scratch[:0])
		d.place = d.texts.Add(d.scratch)
		d.before = ""
	}
	t := &cdc.Transaction{
		ID: d.id, CommittedAt: d.group.at, At: d.place, Part: d.part, Last: last,
		Changes: append(make([]cdc.Change, 0, len(d.changes)), d.changes...),
	}
	switch {
	case last:
		t.Resume = d.boundaryToken()
	default:
		if d.before == "" {
			d.before = d.boundaryToken()
		}
		t.Resume = d.before
	}
	d.deliver(t, d.bytes)
	d.drop()
	d.part++
}

func (d *decoder) deliver(t *cdc.Transaction, bytes int) {
	bytes += transactionBytes
	item := tailing.Delivery{Transaction: t, Bytes: bytes}
	if t.Last && !d.group.open {
		item.Doubts, d.doubts = d.doubts, nil
	}
	d.ready = append(d.ready, item)
	d.readyBytes += bytes
	failpoint.Hit("source.decoded")
}

// take returns what is ready and its size. It is valid until the next event.
func (d *decoder) take() (ready []tailing.Delivery, bytes int) {
	ready, bytes = d.ready, d.readyBytes
	d.ready, d.readyBytes = d.ready[:0], 0
	return ready, bytes
}

// add collects a change, ending a part before it if that is full. The rows of an XA
// transaction are kept until it is decided.
func (d *decoder) add(c cdc.Change) error {
	if !d.group.open {
		return fmt.Errorf("rows outside a transaction at %s", d.at)
	}
	if d.group.prepares() {
		d.bytes += changeSize(&c)
		d.changes = append(d.changes, c)
		return d.xa.room(d.group.xid, d.bytes)
	}
	if n := len(d.changes); n > 0 && (n >= d.partRows || d.bytes >= d.partBytes) {
		if d.group.skip {
			d.drop()
		} else {
			d.flush(false)
		}
	}
	d.changes = append(d.changes, c)
	d.bytes += changeSize(&c)
	return nil
}

// changeSize is what a change takes beside its texts.
func changeSize(c *cdc.Change) int {
	return changeBytes + valueBytes*(len(c.Before)+len(c.After))
}
