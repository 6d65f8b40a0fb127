package mysql

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

func appendUint(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

// beginMySQL begins the group of a GTID event, as Gtid_event of libbinlogevents
// lays it out: flags, UUID, number, logical clock, and since 8.0 the time of the commit.
func (d *decoder) beginMySQL(h *eventHeader, body []byte, start place) error {
	w := &wire{b: body}
	g := group{start: start, at: time.Unix(int64(h.timestamp), 0).UTC(), named: h.kind == eventGTID && d.token.byGTID}
	w.uint8()
	copy(g.uuid[:], w.take(len(g.uuid)))
	g.number = w.uint64()
	if w.bad {
		return errShort
	}
	const clock = 1 + 8 + 8
	if len(w.b) >= clock+7 {
		w.take(clock)
		// The highest bit says that the time of the original commit follows.
		if at := w.uint(7) &^ (1 << 55); at != 0 {
			g.at = time.UnixMicro(int64(at)).UTC() //nolint:gosec // 55 bits
		}
	}
	return d.beginNamed(g)
}

// guarded calls the library, whose decoders index what may not be there.
func guarded(decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errShort, r)
		}
	}()
	return decode()
}

// decompressed returns what a compressed event of MariaDB holds.
func decompressed(data []byte) (out []byte, err error) {
	err = guarded(func() (err error) {
		out, err = mysql.DecompressMariadbData(data)
		return err
	})
	return out, err
}

// beginTagged begins the group of a GTID with a tag, which MySQL 8.4 and later have.
func (d *decoder) beginTagged(h *eventHeader, body []byte, start place) error {
	var e replication.GtidTaggedLogEvent
	if err := guarded(func() error { return e.Decode(body) }); err != nil {
		return fmt.Errorf("GTID at %s: %w", start, err)
	}
	g := group{start: start, at: time.Unix(int64(h.timestamp), 0).UTC(), named: d.token.byGTID, tag: e.Tag.String()}
	if len(e.SID) != len(g.uuid) || e.GNO < 1 {
		return fmt.Errorf("GTID at %s: %w", start, errShort)
	}
	copy(g.uuid[:], e.SID)
	g.number = uint64(e.GNO)
	if at := e.ImmediateCommitTimestamp; at != 0 {
		g.at = time.UnixMicro(int64(at)).UTC() //nolint:gosec // 55 bits
	}
	return d.beginNamed(g)
}

// beginNamed begins a group of MySQL.
func (d *decoder) beginNamed(g group) error {
	if g.named {
		g.skip = d.token.set.has(g.uuid, g.tag, g.number)
		g.flavor = flavorMySQL
		g.again = g.name()
	} else {
		g.skip = g.start.compare(d.from) < 0
		g.again = g.start.String()
	}
	return d.open(g)
}

// Flags of MariaDB's GTID event.
const (
	mariaStandalone  = 0x01
	mariaGroupCommit = 0x02
	mariaPreparedXA  = 0x40
)

// beginMariaDB begins the group of MariaDB's GTID event, which stands for the BEGIN
// or XA START as well: sequence, domain, flags, and what the flags announce.
func (d *decoder) beginMariaDB(h *eventHeader, body []byte, start place) error {
	w := &wire{b: body}
	g := group{start: start, at: time.Unix(int64(h.timestamp), 0).UTC(), named: true}
	g.gtid = mariaGTID{server: h.server}
	g.gtid.sequence, g.gtid.domain = w.uint64(), w.uint32()
	flags := w.uint8()
	g.begun = flags&mariaStandalone == 0
	if flags&mariaPreparedXA != 0 {
		if flags&mariaGroupCommit != 0 {
			w.take(8)
		}
		format, gtrid, bqual := w.uint32(), int(w.uint8()), int(w.uint8())
		if data := w.take(gtrid + bqual); !w.bad {
			g.xid = fmt.Sprintf("%x,%x,%d", data[:gtrid], data[gtrid:], int32(format)) //nolint:gosec // it is signed
		}
	}
	if w.bad {
		return errShort
	}
	g.again = d.token.state.String()
	if g.again == "" {
		g.again = againStart
	}
	// Reading from further back, everything up to the last GTID that was emitted in
	// the domain was emitted.
	if last, ok := d.token.state.get(g.gtid.domain); ok && !d.passed[g.gtid.domain] {
		g.skip = d.rereading
		if g.gtid == last {
			d.passed[g.gtid.domain] = true
		}
	}
	return d.open(g)
}
