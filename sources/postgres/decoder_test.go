package postgres

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// recordedWanted is what the tests want of the recorded tables.
func recordedWanted() cdc.Wanted {
	return cdc.Wanted{
		{Schema: "public", Name: "stock"}: {"sku", "qty", "doc"},
		{Schema: "public", Name: "whole"}: {"qty", "doc"},
		{Schema: "public", Name: "pair"}:  {"raw", "seen"},
	}
}

// recordedCatalog is what the catalog would say of the recorded tables.
func recordedCatalog(tb testing.TB, messages [][]byte) map[uint32]*relation {
	tb.Helper()
	keys := map[string][]string{"stock": {"id"}, "whole": {"id"}, "pair": {"a", "b"}}
	catalog := make(map[uint32]*relation)
	for _, b := range messages {
		if b[0] != kindRelation {
			continue
		}
		m, err := parseRelation(&wire{b: b[1:]})
		if err != nil {
			tb.Fatal(err)
		}
		if key := keys[m.name]; key != nil {
			catalog[m.oid] = &relation{
				oid: m.oid, name: cdc.TableName{Schema: m.schema, Name: m.name}, key: key, identity: m.identity,
			}
		}
	}
	return catalog
}

// noLookup fails the test when the catalog is asked.
type noLookup struct{}

var errLookup = errors.New("the catalog was asked")

func (noLookup) ancestors(uint32) ([]uint32, error) { return nil, errLookup }
func (noLookup) family(uint32) (cdc.Type, error)    { return 0, errLookup }

func testDecoder(catalog map[uint32]*relation, partRows int) *decoder {
	cfg := Config{PartRows: partRows}.WithDefaults()
	from := token{1, server{"7312", 1}}
	c := new(confirmation)
	c.begin(from, 1, snapshot{xmin: 3, xmax: 3})
	return newDecoder(cfg, from, newBinder(recordedWanted(), catalog, noLookup{}, new(tailing.TableVersions)), c)
}

func render(transactions []tailing.Delivery) string {
	var out strings.Builder
	for _, d := range transactions {
		t := d.Transaction
		fmt.Fprintf(&out, "transaction %s part %d last %v at %s %s resume %s\n", t.ID, t.Part, t.Last, t.At,
			t.CommittedAt.Format("2006-01-02T15:04:05.999999Z07:00"), t.Resume)
		for _, c := range t.Changes {
			fmt.Fprintf(&out, "  %s %s\n", c.Op, c.Table.Name)
			renderRow(&out, "before", c.Table, c.Before)
			renderRow(&out, "after", c.Table, c.After)
		}
	}
	return out.String()
}

func renderRow(out *strings.Builder, image string, t *cdc.Table, row cdc.Row) {
	for i, v := range row {
		s := v.String()
		if len(s) > 60 {
			s = fmt.Sprintf("%s... (%d bytes)", s[:60], len(s))
		}
		fmt.Fprintf(out, "    %s %s %s: %s\n", image, t.Columns[i].Name, t.Columns[i].Type, s)
	}
}

func TestDecodeRecordedMessages(t *testing.T) {
	t.Parallel()
	messages := recorded(t)
	d := testDecoder(recordedCatalog(t, messages), 0)
	var got []tailing.Delivery
	for i, b := range messages {
		if err := d.message(b, 0); err != nil {
			t.Fatalf("message %d (%q): %v", i, b[0], err)
		}
		d.flushProgress()
		ready, _ := d.take()
		got = append(got, ready...)
	}
	const golden = "testdata/pgoutput.golden"
	text := render(got)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// TestDecoderKeepsNothing makes sure that what was decoded does not change when
// the buffer that it came from is used again.
func TestDecoderKeepsNothing(t *testing.T) {
	t.Parallel()
	messages := recorded(t)
	decode := func(reuse bool) string {
		d := testDecoder(recordedCatalog(t, messages), 0)
		var got []tailing.Delivery
		buffer := make([]byte, 1<<20)
		for _, b := range messages {
			n := copy(buffer, b)
			if err := d.message(buffer[:n:n], 0); err != nil {
				t.Fatal(err)
			}
			if reuse {
				clear(buffer)
			}
			ready, _ := d.take()
			got = append(got, ready...)
		}
		return render(got)
	}
	if diff := cmp.Diff(decode(false), decode(true)); diff != "" {
		t.Errorf("decoded from a reused buffer (-want +got):\n%s", diff)
	}
}

func TestEveryShortenedOrLengthenedMessageIsRefused(t *testing.T) {
	t.Parallel()
	messages := recorded(t)
	for i, b := range messages {
		// All that came before is decoded properly.
		before := func() *decoder {
			d := testDecoder(recordedCatalog(t, messages), 0)
			for _, m := range messages[:i] {
				if err := d.message(m, 0); err != nil {
					t.Fatal(err)
				}
			}
			return d
		}
		d := before()
		if (b[0] == kindInsert || b[0] == kindUpdate || b[0] == kindDelete) && !wantedMessage(d, b) {
			continue // not looked at
		}
		for n := range b {
			if n > 200 && n < len(b)-200 {
				continue
			}
			if err := before().message(b[:n:n], 0); err == nil {
				t.Fatalf("message %d (%q) shortened from %d to %d bytes was accepted", i, b[0], len(b), n)
			}
		}
		if err := d.message(append(b[:len(b):len(b)], 0), 0); err == nil {
			t.Errorf("message %d (%q) with a byte too many was accepted", i, b[0])
		}
	}
}

func wantedMessage(d *decoder, b []byte) bool {
	w := &wire{b: b[1:]}
	return d.binder.bound[w.uint32()].table != nil
}

func TestMessagesThatMustNotBeSkipped(t *testing.T) {
	t.Parallel()
	messages := recorded(t)
	first := func(kind byte) []byte {
		for _, b := range messages {
			if b[0] == kind {
				return b
			}
		}
		t.Fatalf("no message %q was recorded", kind)
		return nil
	}
	insert := first(kindInsert)
	with := func(b []byte, at int, value byte) []byte {
		c := append([]byte(nil), b...)
		c[at] = value
		return c
	}
	for name, sequence := range map[string][][]byte{
		"unknown kind":                      {[]byte("Z")},
		"empty message":                     {{}},
		"prepare (protocol 3)":              {[]byte("P\x00")},
		"stream start (protocol 2)":         {[]byte("S\x00\x00\x00\x01\x01")},
		"change outside a transaction":      {first(kindRelation), insert},
		"truncate outside a transaction":    {first(kindTruncate)},
		"commit outside a transaction":      {first(kindCommit)},
		"begin inside a transaction":        {first(kindBegin), first(kindBegin)},
		"change of an unannounced relation": {first(kindBegin), insert},
		"commit of another transaction":     {first(kindBegin), with(first(kindCommit), 9, 0x77)},
		"unknown tuple marker":              {first(kindBegin), first(kindRelation), with(insert, 5, 'X')},
		"old tuple in an insert":            {first(kindBegin), first(kindRelation), with(insert, 5, 'O')},
		"wrong number of columns":           {first(kindBegin), first(kindRelation), with(insert, 7, 4)},
		"binary value":                      {first(kindBegin), first(kindRelation), with(insert, 8, 'b')},
		"unknown value kind":                {first(kindBegin), first(kindRelation), with(insert, 8, 'x')},
		"negative length":                   {first(kindBegin), first(kindRelation), with(insert, 9, 0xff)},
		"commits that go backwards":         {messages[0], messages[len(messages)-1]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testDecoder(recordedCatalog(t, messages), 0)
			for _, b := range sequence[:len(sequence)-1] {
				if err := d.message(b, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.message(sequence[len(sequence)-1], 0); err == nil {
				t.Error("was accepted")
			}
			if ready, _ := d.take(); len(ready) > 0 {
				t.Errorf("made ready: %s", render(ready))
			}
		})
	}
}

func TestPartsOfATransaction(t *testing.T) {
	t.Parallel()
	messages := recorded(t)
	for rows := 1; rows < 5; rows++ {
		d := testDecoder(recordedCatalog(t, messages), rows)
		whole := testDecoder(recordedCatalog(t, messages), 0)
		var parts, wholes []tailing.Delivery
		for _, b := range messages {
			if err := errors.Join(d.message(b, 0), whole.message(b, 0)); err != nil {
				t.Fatal(err)
			}
			ready, _ := d.take()
			parts = append(parts, ready...)
			ready, _ = whole.take()
			wholes = append(wholes, ready...)
		}
		for _, w := range wholes {
			want := w.Transaction
			before := parts[0].Transaction.Resume
			joined := *want
			joined.Changes = nil
			for n := 0; ; n++ {
				p := parts[0].Transaction
				parts = parts[1:]
				joined.Changes = append(joined.Changes, p.Changes...)
				if p.Part != n || len(p.Changes) == 0 || len(p.Changes) > rows || p.ID != want.ID {
					t.Fatalf("part %d of %s: %+v", n, want.ID, p)
				}
				if p.Last {
					if p.Resume != want.Resume {
						t.Errorf("last part resumes at %s, want %s", p.Resume, want.Resume)
					}
					break
				}
				if p.Resume != before || p.Resume == want.Resume {
					t.Errorf("part %d resumes at %s", n, p.Resume)
				}
			}
			if diff := cmp.Diff(render([]tailing.Delivery{{Transaction: want}}), render([]tailing.Delivery{{Transaction: &joined}})); diff != "" {
				t.Errorf("parts of at most %d rows do not join to the whole:\n%s", rows, diff)
			}
		}
		if len(parts) > 0 {
			t.Errorf("%d parts too many", len(parts))
		}
	}
}

// FuzzDecoder feeds messages, each behind its length in two bytes. Whatever
// comes, the decoder neither panics nor breaks the promises of cdc.
func FuzzDecoder(f *testing.F) {
	messages := recorded(f)
	catalog := recordedCatalog(f, messages)
	var all []byte
	for _, b := range messages {
		if len(b) < 1<<12 {
			all = append(append(all, byte(len(b)>>8), byte(len(b))), b...)
		}
	}
	f.Add(all)
	f.Add(all[:600])
	f.Fuzz(func(t *testing.T, b []byte) {
		d := testDecoder(catalog, 2)
		part := 0
		for len(b) >= 2 {
			n := min(int(b[0])<<8|int(b[1]), len(b)-2)
			if err := d.message(b[2:2+n], 0); err != nil {
				return
			}
			b = b[2+n:]
			ready, _ := d.take()
			for _, r := range ready {
				checkTransaction(t, r.Transaction, &part)
			}
		}
	})
}

func checkTransaction(t *testing.T, tx *cdc.Transaction, part *int) {
	t.Helper()
	if tx.Part != *part || tx.ID == "" || len(tx.Changes) == 0 {
		t.Fatalf("transaction %+v, want part %d", tx, *part)
	}
	if *part++; tx.Last {
		*part = 0
	}
	if _, err := parseToken(tx.Resume); err != nil && !strings.Contains(string(tx.Resume), `"0/0"`) {
		t.Fatal(err)
	}
	for _, c := range tx.Changes {
		before, after := c.Op == cdc.OpDelete || (c.Op == cdc.OpUpdate && c.Before != nil), c.Op == cdc.OpInsert || c.Op == cdc.OpUpdate
		if (c.Before != nil) != before || (c.After != nil) != after {
			t.Fatalf("%s with before %v, after %v", c.Op, c.Before, c.After)
		}
		for _, row := range []cdc.Row{c.Before, c.After} {
			if row != nil && len(row) != len(c.Table.Columns) {
				t.Fatalf("row of %d values in %d columns", len(row), len(c.Table.Columns))
			}
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	messages := recorded(b)
	var begin, commit, relation, update []byte
	for _, m := range messages {
		switch {
		case m[0] == kindBegin && begin == nil:
			begin = m
		case m[0] == kindCommit && commit == nil:
			commit = m
		case m[0] == kindRelation && relation == nil:
			relation = m
		case m[0] == kindUpdate && update == nil:
			update = m
		}
	}
	d := testDecoder(recordedCatalog(b, messages), 0)
	if err := d.message(relation, 0); err != nil {
		b.Fatal(err)
	}
	const rows = 10
	b.ReportAllocs()
	b.SetBytes(int64(len(begin) + len(commit) + rows*len(update)))
	for b.Loop() {
		d.emitted = 1
		err := d.message(begin, 0)
		for range rows {
			err = errors.Join(err, d.message(update, 0))
		}
		if err = errors.Join(err, d.message(commit, 0)); err != nil {
			b.Fatal(err)
		}
		d.confirm.unseen = d.confirm.unseen[:0]
		if ready, _ := d.take(); len(ready) != 1 {
			b.Fatalf("%d transactions", len(ready))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
