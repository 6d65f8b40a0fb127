package postgres

import (
	"encoding/binary"
	"testing"

	"tailstock/connector/cdc"
)

// Messages as the server makes them, for positions that a real one yields seldom.

func beginBytes(commit lsn, xid uint32) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kindBegin}, uint64(commit))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, 0), xid)
}

func commitBytes(start, end lsn) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kindCommit, 0}, uint64(start))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(end)), 0)
}

func feed(t *testing.T, d *decoder, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		if err := d.message(m, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// stockMessages returns a decoder that emits from from on, behind the
// announcement of a table, and the insertion of a row into that.
func stockMessages(t *testing.T, from lsn) (d *decoder, insert []byte) {
	t.Helper()
	messages := recorded(t)
	d = testDecoder(recordedCatalog(t, messages), 0)
	d.from, d.emitted = from, from
	for _, m := range messages {
		switch {
		case m[0] == kindRelation && len(d.binder.bound) == 0:
			feed(t, d, m)
		case m[0] == kindInsert && insert == nil:
			insert = m
		}
	}
	return d, insert
}

// TestCommitThatStartsWhereTheLastOneEnded: the commit records of two
// transactions that ran at the same time may lie side by side.
func TestCommitThatStartsWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	d, insert := stockMessages(t, 100)
	feed(t, d, beginBytes(90, 1), insert, commitBytes(90, 100))
	if ready, _ := d.take(); len(ready) != 0 {
		t.Errorf("the commit that the token names came again:\n%s", render(ready))
	}
	feed(t, d, beginBytes(100, 2), insert, commitBytes(100, 110), beginBytes(110, 3), insert, commitBytes(110, 120))
	if ready, _ := d.take(); len(ready) != 2 || ready[0].Transaction.ID != "2" || ready[1].Transaction.ID != "3" {
		t.Errorf("got\n%s\nwant transactions 2 and 3", render(ready))
	}
}

func TestKeepaliveMakesProgressBetweenTransactionsOnly(t *testing.T) {
	t.Parallel()
	progress := func(d *decoder) cdc.Resume {
		d.flushProgress()
		ready, _ := d.take()
		if len(ready) == 0 {
			return ""
		}
		if len(ready) > 1 || !ready[0].Transaction.Progress() {
			t.Fatalf("got\n%s\nwant progress", render(ready))
		}
		return ready[0].Transaction.Resume
	}
	d, insert := stockMessages(t, 100)
	d.partRows = 1
	feed(t, d, beginBytes(200, 2), insert)
	d.passed(300)
	if got := progress(d); got != "" {
		t.Errorf("progress to %s inside a transaction", got)
	}
	if _, read := d.confirm.positions(); read >= 200 {
		t.Errorf("read up to %d inside a transaction", read)
	}
	feed(t, d, insert, commitBytes(200, 210))
	ready, _ := d.take()
	if len(ready) != 2 || ready[0].Transaction.Resume != (token{100, d.server}).resume() ||
		ready[1].Transaction.Resume != (token{210, d.server}).resume() {
		t.Errorf("got\n%s\nwant two parts that resume at 100 and 210", render(ready))
	}
	if got := progress(d); got != "" {
		t.Errorf("progress to %s, which the transaction said already", got)
	}
	for _, test := range []struct {
		position lsn
		want     cdc.Resume
	}{{150, ""}, {210, ""}, {300, token{300, d.server}.resume()}, {300, ""}} {
		d.passed(test.position)
		if got := progress(d); got != test.want {
			t.Errorf("a keepalive at %d made progress to %q, want %q", test.position, got, test.want)
		}
	}
	// A transaction without wanted changes is progress, too.
	feed(t, d, beginBytes(300, 5), commitBytes(300, 320), beginBytes(320, 6), commitBytes(320, 330))
	if got, want := progress(d), (token{330, d.server}).resume(); got != want {
		t.Errorf("empty transactions made progress to %s, want %s", got, want)
	}
}
