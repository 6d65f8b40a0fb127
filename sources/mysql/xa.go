package mysql

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// prepared holds the XA transactions that are prepared and not decided. Their rows
// are logged when they are prepared, and the decision later.
type prepared struct {
	byXID map[string]*preparedTransaction
	order []string
	bytes int
	// limit bounds bytes.
	limit int
}

type preparedTransaction struct {
	changes []cdc.Change
	bytes   int
	// again is from where the group that prepared it is read again.
	again string
}

// room reports that there is none for another n bytes.
func (p *prepared) room(xid string, n int) error {
	if p.bytes+n <= p.limit {
		return nil
	}
	return &cdc.SetupError{
		Object:  "XA transaction " + xid,
		Problem: fmt.Sprintf("has too many changes to be kept until it is decided, together with the others that are prepared: %d bytes", p.bytes+n),
		Fix:     "raise xa_bytes, which goes on where this ended; decide those that XA RECOVER lists and nobody needs, so that it does not fill again",
	}
}

// prepares reports whether the rows of the group wait for a decision.
func (g *group) prepares() bool { return g.xid != "" }

// prepare handles MySQL's and MariaDB's event for XA PREPARE, which ends a group. Its
// first byte says whether it commits at once (XA COMMIT … ONE PHASE).
func (d *decoder) prepare(body []byte) error {
	w := &wire{b: body}
	onePhase := w.uint8() != 0
	format, gtrid, bqual := w.uint32(), int(w.uint32()), int(w.uint32())
	data := w.take(gtrid + bqual)
	if w.bad || gtrid < 0 || gtrid > len(data) {
		return errShort
	}
	if onePhase {
		return d.commitHeld(d.changes)
	}
	return d.hold(fmt.Sprintf("%x,%x,%d", data[:gtrid], data[gtrid:], int32(format))) //nolint:gosec // it is signed
}

// hold keeps the group's changes until they are decided.
func (d *decoder) hold(xid string) error {
	if !d.group.open {
		return fmt.Errorf("XA PREPARE outside a transaction at %s", d.at)
	}
	p := &preparedTransaction{changes: slices.Clone(d.changes), bytes: d.bytes, again: d.group.again}
	d.drop()
	if d.xa.byXID == nil {
		d.xa.byXID = make(map[string]*preparedTransaction)
	}
	if d.xa.byXID[xid] == nil {
		d.xa.order = append(d.xa.order, xid)
	} else {
		d.xa.bytes -= d.xa.byXID[xid].bytes
	}
	d.xa.byXID[xid] = p
	d.xa.bytes += p.bytes
	d.binder.source.delivered.prepare(xid)
	d.close()
	d.readAgain()
	d.progress = d.progress || !d.group.skip
	return nil
}

// decide commits or rolls back a prepared transaction.
func (d *decoder) decide(xid string, commit bool) error {
	p := d.xa.byXID[xid]
	if p != nil {
		delete(d.xa.byXID, xid)
		d.xa.order = slices.DeleteFunc(d.xa.order, func(x string) bool { return x == xid })
		d.xa.bytes -= p.bytes
	}
	d.group.xid = ""
	d.readAgain()
	switch {
	case d.group.skip || !commit:
		d.drop()
		return d.finish()
	case p == nil:
		return &cdc.GapError{
			Reason: cdc.GapSkipped,
			Detail: fmt.Sprintf("XA transaction %s was committed at %s, and was prepared before we began to read", xid, d.group.start),
			Fix:    reloadFix,
		}
	}
	d.binder.source.delivered.decide(xid)
	return d.commitHeld(p.changes)
}

// commitHeld emits changes that were held, in the present group.
func (d *decoder) commitHeld(changes []cdc.Change) error {
	d.group.xid = ""
	changes = slices.Clone(changes)
	d.drop()
	if !d.group.skip {
		for _, c := range changes {
			for _, row := range []cdc.Row{c.Before, c.After} {
				for _, v := range row {
					d.bytes += len(v.Text())
				}
			}
			if err := d.add(c); err != nil {
				return err
			}
		}
	}
	return d.finish()
}

// readAgain sets from where the token reads again.
func (d *decoder) readAgain() {
	d.token.again = ""
	oldest, ringed := d.binder.source.ring.oldest()
	if ringed {
		d.token.again = oldest.String()
	}
	if len(d.xa.order) == 0 {
		return
	}
	if !d.token.byGTID || d.token.server.flavor == flavorMariaDB {
		if again := d.xa.byXID[d.xa.order[0]].again; ringed {
			if p, err := parsePlace(again); err == nil && oldest.compare(p) < 0 {
				return // the ring begins before
			}
		}
		d.token.again = d.xa.byXID[d.xa.order[0]].again // the oldest
		return
	}
	again := make([]string, len(d.xa.order))
	for i, xid := range d.xa.order {
		again[i] = d.xa.byXID[xid].again
	}
	d.token.again = strings.Join(again, ",")
}
