package inventory_test

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(want, []byte("\n"))
}

// encode writes m as the capture does.
func encode(w *inventory.BodyWriter, m *inventory.Message) []byte {
	switch {
	case m.Feeds != nil:
		return inventory.AppendFeeds(nil, m.Source, m.Feeds)
	case m.LoadStarted != nil:
		return inventory.AppendLoadStarted(nil, m.Source, m.LoadStarted)
	case m.Chunk != nil:
		return inventory.AppendChunk(nil, m.Source, m.Chunk)
	case m.LoadCompleted != nil:
		return inventory.AppendLoadCompleted(nil, m.Source, *m.LoadCompleted)
	case m.SourceGap != nil:
		return inventory.AppendSourceGap(nil, m.Source, m.SourceGap)
	case m.Rederived != nil:
		return inventory.AppendRederived(nil, m.Source, *m.Rederived)
	}
	w.Reset()
	for i := range m.Commits {
		c := &m.Commits[i]
		switch {
		case c.Compare != "":
			w.StartCompare(c.Compare, c.Repair, c.Transaction, c.CommittedAt)
		case !c.Load.IsZero():
			w.StartRead(c.Load, c.Transaction, c.CommittedAt, c.At)
		default:
			w.StartCommit(c.Transaction, c.CommittedAt, c.At)
		}
		for j := range c.Events {
			w.Event(&c.Events[j])
		}
		w.Rederive(c.Rederive)
		w.EndCommit(c.Part, c.Last)
	}
	return w.Bytes()
}

var committedAt = time.Date(2026, 11, 23, 8, 0, 0, 123456000, time.UTC)

// load is the position of a load_started.
var load = inventory.Position{Run: 1764000000001, Number: 1}

const mappingID = inventory.MappingID("9f2c51d07a3b8e64")

// bodies are the messages that the golden files pin.
func bodies() map[string]inventory.Message {
	one := inventory.Contribution{Leg: "stock", SKU: "BRK-1234", Location: "DC1"}
	one.Quantities[inventory.OnHand] = 12 * inventory.One
	one.Quantities[inventory.Committed] = 3 * inventory.One
	all := inventory.Contribution{Leg: "all", SKU: "Öl \"5W-30\"\\", Location: "Zürich/ 1", Quantities: inventory.Quantities{
		inventory.MaxQuantity - 1, 1 - inventory.MaxQuantity, 1, -500_000, 7 * inventory.One,
	}}
	zero := inventory.Contribution{Leg: "zero", SKU: "x", Location: "y"}
	valid := func(from, until inventory.Moment) inventory.Contribution {
		c := one
		c.Valid = inventory.Validity{From: from, Until: until}
		return c
	}
	start, end := inventory.MomentAt(1795500000123), inventory.MomentAt(1795586400000)
	event := func(op cdc.Op, row cdc.RowKey, c ...inventory.Contribution) inventory.Event {
		return inventory.Event{Op: op, Table: "wms.bin_stock", Mapping: mappingID, Row: row, Contributions: append([]inventory.Contribution{}, c...)}
	}
	problem := func(kind inventory.ProblemKind, reason string) inventory.Event {
		return inventory.Event{
			Op: cdc.OpUpdate, Table: "wms.bin_stock", Mapping: mappingID, Row: "[44]",
			Problem: &inventory.Problem{Kind: kind, Rule: "contributes[0].on_hand", Reason: reason},
		}
	}
	commit := func(id string, e ...inventory.Event) inventory.Commit {
		return inventory.Commit{Transaction: id, CommittedAt: committedAt, At: "0/30003C0", Events: append([]inventory.Event{}, e...), Last: true}
	}
	part := func(n int, last bool, e ...inventory.Event) []inventory.Commit {
		c := commit("773", e...)
		c.Part, c.Last = n, last
		return []inventory.Commit{c}
	}
	rederive := []inventory.Rederive{{Table: "wms.bin_stock", Columns: []string{"product id"}, Values: [][]string{{"7"}, {"a\"b"}}}, {Table: "public.order"}}
	renames := commit("774")
	renames.Rederive = rederive
	pairs := renames
	pairs.Rederive = []inventory.Rederive{{Table: "wms.bin_stock", Columns: []string{"client", "locator"}, Values: [][]string{{"11", "a\"b"}, {"12", ""}}}}
	lastPart := part(2, true)
	lastPart[0].Rederive = rederive[1:]
	return map[string]inventory.Message{
		"rederive":           {Source: "wms", Commits: []inventory.Commit{commit("771", event(cdc.OpUpdate, "[42]", one)), renames}},
		"rederive_by_two":    {Source: "wms", Commits: []inventory.Commit{pairs}},
		"rederive_last_part": {Source: "wms", Commits: lastPart},
		"rederived":          {Source: "wms", Rederived: &inventory.Rederived{Through: load}},
		"commit": {Source: "wms", Commits: []inventory.Commit{
			commit("771", event(cdc.OpUpdate, "[42]", one), event(cdc.OpDelete, "[43]")),
		}},
		"commits": {Source: "wms", Commits: []inventory.Commit{
			commit("771", inventory.Event{Op: cdc.OpTruncate, Table: "wms.bin_stock", Mapping: mappingID}, event(cdc.OpInsert, `["DC1","a\"b"]`, one, all, zero)),
			commit("772", problem(inventory.Rejected, "null sku\n\x01"), problem(inventory.Unresolved, ""), event(cdc.OpRead, "[45]", one)),
			commit("0-1-7"),
		}},
		"validity": {Source: "wms", Commits: []inventory.Commit{commit("771",
			event(cdc.OpInsert, "[42]", valid(start, end), valid(start, 0)), event(cdc.OpInsert, "[43]", valid(0, end)),
			event(cdc.OpInsert, "[44]", valid(inventory.MomentAt(0), inventory.MomentAt(math.MaxInt64))),
			event(cdc.OpInsert, "[45]", valid(inventory.MomentAt(-1), inventory.MomentAt(math.MinInt64))),
		)}},
		"part_first": {Source: "wms", Commits: part(0, false, event(cdc.OpInsert, "[1]", one))},
		"part_last":  {Source: "wms", Commits: part(3, true)},
		"feeds": {Source: "wms", Feeds: []inventory.FeedName{
			{Table: "wms.bin_stock", Mapping: mappingID}, {Table: `public."order.line"`, Mapping: "0011223344556677"},
		}},
		"feeds_none": {Source: "wms", Feeds: []inventory.FeedName{}},
		"load_started": {Source: "wms", LoadStarted: &inventory.LoadStarted{
			Feeds:  []inventory.FeedName{{Table: "wms.bin_stock", Mapping: mappingID}, {Table: "wms.order", Mapping: "0011223344556677"}},
			Stores: []string{"0123456789abcdef"}, Reason: "new source",
		}},
		"load_rows": {Source: "wms", Commits: []inventory.Commit{
			{Transaction: "load", CommittedAt: committedAt, At: "0/30003C0", Load: load, Last: true, Events: []inventory.Event{event(cdc.OpRead, "[42]", one)}},
		}},
		"compare": {Source: "wms", Commits: []inventory.Commit{
			{Transaction: "verify", CommittedAt: committedAt, Compare: "7f3a", Last: true, Events: []inventory.Event{
				event(cdc.OpRead, "[42]", one), event(cdc.OpRead, "[43]"), event(cdc.OpDelete, "[44]"),
				{Op: cdc.OpRead, Table: "wms.bin_stock", Mapping: mappingID, Row: "[45]", Problem: &inventory.Problem{Kind: inventory.Rejected}},
			}},
		}},
		"compare_repair": {Source: "wms", Commits: []inventory.Commit{
			{Transaction: "verify", CommittedAt: committedAt, Compare: "7f3a", Repair: true, Last: true, Events: []inventory.Event{event(cdc.OpRead, "[42]", one)}},
		}},
		"chunk_load": {Source: "wms", Chunk: &inventory.ChunkMarker{
			Load: load, Table: "wms.bin_stock", Last: []string{"DC1", "a\"b"}, Rows: 500,
		}},
		"chunk_job": {Source: "wms", Chunk: &inventory.ChunkMarker{
			Job: "7f3a", Table: "wms.bin_stock", Last: []string{}, Done: true,
		}},
		"load_completed": {Source: "wms", LoadCompleted: &inventory.LoadCompleted{Load: load}},
		"source_gap":     {Source: "wms", SourceGap: &inventory.SourceGap{Reason: "slot_missing", Detail: "slot \"x\" is gone"}},
	}
}

func TestBodyGolden(t *testing.T) {
	t.Parallel()
	for name, m := range bodies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := encode(inventory.NewBodyWriter(m.Source), &m)
			want := golden(t, "body_"+name+".json", got)
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			decoded, err := inventory.Decode(inventory.Envelope{Body: want})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, decoded, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if (m.Feeds == nil) != (decoded.Feeds == nil) {
				t.Errorf("decoded feeds %v, want %v", decoded.Feeds, m.Feeds)
			}
		})
	}
}

func TestDecodeKeepsEnvelope(t *testing.T) {
	t.Parallel()
	env := inventory.Envelope{
		Position: inventory.Position{Run: 7, Number: 2}, Previous: inventory.Position{Run: 7, Number: 1}, Resume: "0/16B3748",
		Body: []byte(`{"source":"erp","feeds":[]}`),
	}
	got, err := inventory.Decode(env)
	if err != nil {
		t.Fatal(err)
	}
	clear(env.Body)
	want := inventory.Message{Source: "erp", Position: env.Position, Previous: env.Previous, Resume: env.Resume, Feeds: []inventory.FeedName{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBodyWriterCounts(t *testing.T) {
	t.Parallel()
	m := bodies()["commits"]
	w := inventory.NewBodyWriter("wms")
	for range 2 {
		b := encode(w, &m)
		if w.Len() != len(b) || w.Events() != 5 || w.Commits() != 3 {
			t.Errorf("Len %d, Events %d, Commits %d; want %d, 5, 3", w.Len(), w.Events(), w.Commits(), len(b))
		}
	}
	w.Reset()
	if w.Events() != 0 || w.Commits() != 0 || string(w.Bytes()) != `{"source":"wms","commits":[]}` {
		t.Errorf("after Reset: Events %d, Commits %d, %s", w.Events(), w.Commits(), w.Bytes())
	}
}

func TestBodyWriterGoesOnAfterBytes(t *testing.T) {
	t.Parallel()
	m := bodies()["commits"]
	w, whole := inventory.NewBodyWriter("wms"), inventory.NewBodyWriter("wms")
	want := string(encode(whole, &m))
	for i := range m.Commits {
		c := &m.Commits[i]
		w.StartCommit(c.Transaction, c.CommittedAt, c.At)
		for j := range c.Events {
			w.Event(&c.Events[j])
		}
		w.EndCommit(c.Part, c.Last)
		_ = w.Bytes()
	}
	if got := string(w.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBodyWriterRefusesMisuse(t *testing.T) {
	t.Parallel()
	var e inventory.Event
	for name, misuse := range map[string]func(w *inventory.BodyWriter){
		"event outside": func(w *inventory.BodyWriter) { w.Event(&e) },
		"end outside":   func(w *inventory.BodyWriter) { w.EndCommit(0, true) },
		"start inside": func(w *inventory.BodyWriter) {
			w.StartCommit("1", committedAt, "")
			w.StartCommit("2", committedAt, "")
		},
		"bytes inside":   func(w *inventory.BodyWriter) { w.StartCommit("1", committedAt, ""); w.Bytes() },
		"event after it": func(w *inventory.BodyWriter) { w.StartCommit("1", committedAt, ""); w.EndCommit(0, true); w.Event(&e) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(inventory.NewBodyWriter("wms"))
		})
	}
}

func TestCommitTimes(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("JST", 9*3600)
	for _, tt := range []struct {
		in   time.Time
		want string
	}{
		{committedAt, "2026-11-23T08:00:00.123456Z"},
		{committedAt.In(tokyo), "2026-11-23T08:00:00.123456Z"},
		{committedAt.Add(999), "2026-11-23T08:00:00.123456Z"},
		{time.Unix(-1, 999_999_999), "1969-12-31T23:59:59.999999Z"},
		{time.Time{}, "0001-01-01T00:00:00.000000Z"},
		{time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01T00:00:00.000000Z"},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31T23:59:59.999999Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 1000, time.UTC), "9999-12-31T23:59:59.000001Z"},
	} {
		w := inventory.NewBodyWriter("s")
		w.StartCommit("1", tt.in, "")
		w.EndCommit(0, true)
		if got := string(w.Bytes()); !strings.Contains(got, `"committed_at":"`+tt.want+`"`) {
			t.Errorf("%v: got %s, want %s", tt.in, got, tt.want)
		}
		m, err := inventory.Decode(inventory.Envelope{Body: w.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		want, err := time.Parse(time.RFC3339Nano, tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if !m.Commits[0].CommittedAt.Equal(want) || m.Commits[0].CommittedAt.Location() != time.UTC {
			t.Errorf("%v: decoded %v", tt.in, m.Commits[0].CommittedAt)
		}
	}
}

func TestBodyWriterDoesNotAllocate(t *testing.T) {
	m := bodies()["commits"]
	w := inventory.NewBodyWriter("wms")
	encode(w, &m)
	if n := testing.AllocsPerRun(100, func() { encode(w, &m) }); n != 0 {
		t.Errorf("%v allocations per body, want none", n)
	}
}

// TestDecodeAllocations holds the decoder to a number of allocations that does
// not grow with the number of events, escaped row keys included.
func TestDecodeAllocations(t *testing.T) {
	env := inventory.Envelope{Body: append([]byte(nil), benchmarkBody(2000, `["DC1","BRK"]`)...)}
	if n := testing.AllocsPerRun(10, func() {
		if _, err := inventory.Decode(env); err != nil {
			t.Fatal(err)
		}
	}); n > 16 {
		t.Errorf("%v allocations for 2,000 events, want at most 16", n)
	}
}

func TestBodyRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		body := encode(inventory.NewBodyWriter(m.Source), &m)
		got, err := inventory.Decode(inventory.Envelope{Body: body})
		if err != nil {
			t.Fatalf("decode %s: %v", body, err)
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", body, diff)
		}
	})
}

func drawMessage(t *rapid.T) inventory.Message {
	text := rapid.StringN(1, 12, -1)
	words := rapid.StringN(0, 12, -1)
	quantity := rapid.OneOf(rapid.Just(inventory.Quantity(0)), rapid.Custom(func(t *rapid.T) inventory.Quantity {
		return inventory.Quantity(rapid.Int64Range(int64(1-inventory.MaxQuantity), int64(inventory.MaxQuantity-1)).Draw(t, "quantity"))
	}))
	contribution := rapid.Custom(func(t *rapid.T) inventory.Contribution {
		c := inventory.Contribution{Leg: text.Draw(t, "leg"), SKU: inventory.SKU(text.Draw(t, "sku")), Location: inventory.LocationID(text.Draw(t, "location"))}
		for k := range c.Quantities {
			c.Quantities[k] = quantity.Draw(t, "quantity")
		}
		for _, bound := range []*inventory.Moment{&c.Valid.From, &c.Valid.Until} {
			if rapid.Bool().Draw(t, "bounded") {
				*bound = inventory.MomentAt(rapid.Int64().Draw(t, "bound"))
			}
		}
		return c
	})
	event := rapid.Custom(func(t *rapid.T) inventory.Event {
		e := inventory.Event{
			Op:    rapid.SampledFrom([]cdc.Op{cdc.OpInsert, cdc.OpUpdate, cdc.OpDelete, cdc.OpTruncate, cdc.OpRead}).Draw(t, "op"),
			Table: text.Draw(t, "table"), Mapping: inventory.MappingID(text.Draw(t, "mapping")),
		}
		switch {
		case e.Op == cdc.OpTruncate:
		case rapid.Bool().Draw(t, "problem"):
			e.Row = cdc.RowKey(text.Draw(t, "row"))
			e.Problem = &inventory.Problem{
				Kind: rapid.SampledFrom([]inventory.ProblemKind{inventory.Rejected, inventory.Unresolved}).Draw(t, "kind"),
				Rule: words.Draw(t, "rule"), Reason: words.Draw(t, "reason"),
			}
		default:
			e.Row = cdc.RowKey(text.Draw(t, "row"))
			e.Contributions = rapid.SliceOfN(contribution, 0, 3).Draw(t, "contributions")
		}
		return e
	})
	rederive := rapid.Custom(func(t *rapid.T) inventory.Rederive {
		r := inventory.Rederive{Table: text.Draw(t, "table")}
		if rapid.Bool().Draw(t, "by column") {
			r.Columns = rapid.SliceOfN(text, 1, 3).Draw(t, "columns")
			n := len(r.Columns)
			r.Values = rapid.SliceOfN(rapid.SliceOfN(words, n, n), 1, 3).Draw(t, "values")
		}
		return r
	})
	commit := rapid.Custom(func(t *rapid.T) inventory.Commit {
		return inventory.Commit{
			Transaction: text.Draw(t, "transaction"), At: words.Draw(t, "at"), Last: true,
			CommittedAt: time.UnixMicro(rapid.Int64Range(-1e15, 1e16).Draw(t, "committed_at")).UTC(),
			Events:      rapid.SliceOfN(event, 0, 4).Draw(t, "events"),
			Rederive:    rapid.SliceOfN(rederive, 0, 2).Draw(t, "rederive"),
		}
	})
	m := inventory.Message{Source: text.Draw(t, "source")}
	position := rapid.Custom(func(t *rapid.T) inventory.Position {
		return inventory.Position{Run: rapid.Uint64Range(1, 1e14).Draw(t, "run"), Number: rapid.Uint64Range(0, 1e11).Draw(t, "number")}
	})
	feeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) inventory.FeedName {
		return inventory.FeedName{Table: text.Draw(t, "table"), Mapping: inventory.MappingID(text.Draw(t, "mapping"))}
	}), 0, 3)
	texts := rapid.SliceOfN(words, 0, 3)
	switch rapid.IntRange(0, 9).Draw(t, "shape") {
	case 3:
		m.LoadStarted = &inventory.LoadStarted{Feeds: feeds.Draw(t, "feeds"), Stores: texts.Draw(t, "stores"), Reason: words.Draw(t, "reason")}
	case 4:
		m.Chunk = &inventory.ChunkMarker{Table: text.Draw(t, "table"), Last: texts.Draw(t, "last"), Rows: rapid.IntRange(0, 1<<31-1).Draw(t, "rows"), Done: rapid.Bool().Draw(t, "done")}
		if rapid.Bool().Draw(t, "job") {
			m.Chunk.Job = words.Draw(t, "name")
		} else {
			m.Chunk.Load = position.Draw(t, "load")
		}
	case 5:
		m.LoadCompleted = &inventory.LoadCompleted{Load: position.Draw(t, "load")}
	case 6:
		m.SourceGap = &inventory.SourceGap{Reason: text.Draw(t, "reason"), Detail: words.Draw(t, "detail")}
	case 9:
		m.Rederived = &inventory.Rederived{Through: position.Draw(t, "through")}
	case 7:
		c := commit.Draw(t, "commit")
		c.Load, c.Rederive = position.Draw(t, "load"), nil
		m.Commits = []inventory.Commit{c}
	case 8:
		c := commit.Draw(t, "commit")
		c.Rederive = nil
		c.At, c.Compare, c.Repair = "", text.Draw(t, "compare"), rapid.Bool().Draw(t, "repair")
		c.Events = slices.DeleteFunc(c.Events, func(e inventory.Event) bool { return e.Op != cdc.OpRead && e.Op != cdc.OpDelete })
		m.Commits = []inventory.Commit{c}
	case 0:
		m.Commits = rapid.SliceOfN(commit, 1, 4).Draw(t, "commits")
	case 1:
		c := commit.Draw(t, "commit")
		c.Part, c.Last = rapid.IntRange(0, 1<<31-1).Draw(t, "part"), rapid.Bool().Draw(t, "last")
		if !c.Last {
			c.Rederive = nil
		}
		m.Commits = []inventory.Commit{c}
	default:
		m.Feeds = feeds.Draw(t, "feeds")
	}
	return m
}

func benchmarkBody(events int, row cdc.RowKey) []byte {
	w := inventory.NewBodyWriter("wms")
	m := bodies()["commit"]
	e := m.Commits[0].Events[0]
	e.Row = row
	for i := range events {
		if i%10 == 0 {
			w.StartCommit("771", committedAt.Add(time.Duration(i)*time.Millisecond), "0/30003C0")
		}
		w.Event(&e)
		if i%10 == 9 {
			w.EndCommit(0, true)
		}
	}
	return w.Bytes()
}

func BenchmarkBodyWriter(b *testing.B) {
	w := inventory.NewBodyWriter("wms")
	m := bodies()["commit"]
	e := m.Commits[0].Events[0]
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n%2000 == 0 {
			w.Reset()
		}
		if n%10 == 0 {
			w.StartCommit("771", committedAt, "0/30003C0")
		}
		w.Event(&e)
		if n%10 == 9 {
			w.EndCommit(0, true)
		}
		n++
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, row := range map[string]cdc.RowKey{"integer": "[42]", "text": `["DC1","BRK-1234"]`} {
		b.Run(name, func(b *testing.B) {
			const events = 1000
			env := inventory.Envelope{Body: append([]byte(nil), benchmarkBody(events, row)...)}
			b.ReportAllocs()
			b.SetBytes(int64(len(env.Body)))
			for b.Loop() {
				if _, err := inventory.Decode(env); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
