package connector

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// treeWorld are the lookups of a mapping that climbs, with their tables.
type treeWorld struct {
	t     *testing.T
	l     *lookups
	place *cdc.Table
	unit  *cdc.Table
}

// seen is a view of all that there was.
type seen struct{}

func (seen) Sees(*cdc.Transaction) bool { return true }
func (seen) Reached(r cdc.Resume) bool  { return r != "" }

func publicTable(name string) cdc.TableName { return cdc.TableName{Schema: "public", Name: name} }

func newTreeWorld(t *testing.T, tree mapping.Tree) *treeWorld {
	t.Helper()
	v := &mapping.Vocabulary{Lookups: []mapping.Lookup{
		{Name: "place", Table: publicTable("place"), Tree: tree},
		{Name: "unit", Table: publicTable("unit"), Missing: mapping.MissingIsNull},
	}}
	r := mapping.Rule{SKU: mapping.Value{Text: "sku"}, Location: mapping.Value{Text: "nearest(place[place_id], site != null).site"}}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty * (unit[nearest(place[place_id], site != null).unit_id].factor ?? 1)"}
	m, err := mapping.Compile(publicTable("quant"), mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: v})
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string, typ cdc.Type) cdc.Column { return cdc.Column{Name: name, Type: typ} }
	w := &treeWorld{
		t: t, l: newLookups([]*mapping.Mapping{m}),
		place: &cdc.Table{Name: publicTable("place"), Key: []int{0}, Columns: []cdc.Column{
			column("id", cdc.TypeInteger), column("site", cdc.TypeText), column("unit_id", cdc.TypeDecimal), column("parent_id", cdc.TypeInteger),
			column("path", cdc.TypeText), column("lft", cdc.TypeInteger), column("rgt", cdc.TypeInteger),
		}},
		unit: &cdc.Table{Name: publicTable("unit"), Key: []int{0}, Columns: []cdc.Column{column("id", cdc.TypeInteger), column("factor", cdc.TypeDecimal)}},
	}
	w.l.missed = make(map[missedRow]bool)
	for _, c := range []*backfill.Chunk{
		{Table: w.place, View: seen{}, Rows: []cdc.Row{
			texts("1", "DC1", "7.0", "NULL", "1", "1", "8"), texts("2", "NULL", "NULL", "1", "1/2", "2", "5"),
			texts("3", "NULL", "NULL", "2", "1/2/3", "3", "4"), texts("4", "S", "8.00", "1", "1/4", "6", "7"),
		}},
		{Table: w.unit, View: seen{}, Rows: []cdc.Row{texts("7", "12")}},
	} {
		if err := w.l.tables[c.Table.Name].add(c); err != nil {
			t.Fatal(err)
		}
	}
	w.l.bound()
	return w
}

func texts(list ...string) cdc.Row {
	var out cdc.Row
	for _, s := range list {
		if s == "NULL" {
			out = append(out, cdc.Null)
		} else {
			out = append(out, cdc.Text(s))
		}
	}
	return out
}

// commit applies changes, rows of place or of unit, or keys of rows that go, and
// returns what is named.
func (w *treeWorld) commit(changes ...any) string {
	w.t.Helper()
	var list []cdc.NetChange
	for _, c := range changes {
		switch c := c.(type) {
		case cdc.Row:
			table := w.place
			if len(c) == len(w.unit.Columns) {
				table = w.unit
			}
			list = append(list, cdc.NetChange{Op: cdc.OpUpdate, Table: table, Key: cdc.RowKey("[" + c[0].Text() + "]"), After: c})
		case int:
			list = append(list, cdc.NetChange{Op: cdc.OpDelete, Table: w.place, Key: cdc.RowKey("[" + strconv.Itoa(c) + "]")})
		case cdc.Op:
			list = append(list, cdc.NetChange{Op: c, Table: w.unit})
		}
	}
	named, err := w.l.apply(list)
	if err != nil {
		w.t.Fatal(err)
	}
	return namedText(named)
}

// TestConsequencesInTrees changes places in all three forms of a tree. Each case
// begins with DC1 (1) above 2 above 3, and 4 beside 2.
func TestConsequencesInTrees(t *testing.T) {
	t.Parallel()
	for name, tree := range map[string]mapping.Tree{
		"parent": {Parent: []string{"parent_id"}}, "path": {Path: "path"}, "nested set": {Left: "lft", Right: "rgt"},
	} {
		for _, tt := range []struct {
			what    string
			changes []any
			want    string
		}{
			{"a leaf's site", []any{texts("3", "X", "NULL", "2", "1/2/3", "3", "4")}, "place_id 3"},
			{"a site in between", []any{texts("2", "X", "NULL", "1", "1/2", "2", "5")}, "place_id 2,3"},
			{"the root's unit", []any{texts("1", "DC1", "8", "NULL", "1", "1", "8")}, "place_id 1,2,3,4"},
			{"the unit's text alone", []any{texts("1", "DC1", "7.00", "NULL", "1", "1", "8")}, ""},
			{"nothing", []any{texts("2", "NULL", "NULL", "1", "1/2", "2", "5")}, ""},
			{"a unit's factor", []any{texts("7", "10")}, "place_id 1,2,3,4"},
			{"a unit that arrives", []any{texts("9", "10")}, ""},
			{"all units go", []any{cdc.OpTruncate}, "all"},
			{"a place arrives", []any{texts("5", "Y", "7", "1", "1/5", "10", "11")}, ""},
			{"a place goes", []any{4}, "place_id 4"},
			{"a place moves", []any{texts("3", "NULL", "NULL", "4", "1/4/3", "7", "8"), texts("1", "DC1", "7.0", "NULL", "1", "1", "10"), texts("4", "S", "8.00", "1", "1/4", "6", "9")}, "place_id 3"},
		} {
			w := newTreeWorld(t, tree)
			w.l.settle("at")
			if got := w.commit(tt.changes...); got != tt.want {
				t.Errorf("%s: %s: %q is named, want %q", name, tt.what, got, tt.want)
			}
		}
	}
}

// A nested set that is numbered anew changes nothing for those that stand where they
// stood.
func TestNestedSetChurnCostsNothing(t *testing.T) {
	t.Parallel()
	w := newTreeWorld(t, mapping.Tree{Left: "lft", Right: "rgt"})
	w.l.settle("at")
	got := w.commit(
		texts("1", "DC1", "7.0", "NULL", "1", "101", "180"), texts("2", "NULL", "NULL", "1", "1/2", "102", "150"),
		texts("3", "NULL", "NULL", "2", "1/2/3", "103", "104"), texts("4", "S", "8.00", "1", "1/4", "160", "170"))
	if got != "" {
		t.Errorf("%q is named", got)
	}
}

// Until lookups are exact, every change counts as one of every column.
func TestUnsettledChangesCount(t *testing.T) {
	t.Parallel()
	w := newTreeWorld(t, mapping.Tree{Parent: []string{"parent_id"}})
	w.l.settle("") // nothing is reached
	if got := w.commit(texts("3", "NULL", "NULL", "2", "1/2/3", "3", "4")); got != "place_id 3" || w.l.exact() {
		t.Errorf("%q is named, exact %t", got, w.l.exact())
	}
	if got := w.commit(texts("9", "1")); got != "" {
		t.Errorf("a unit that no place refers to: %q is named", got)
	}
	w.l.settle("at")
	if got := w.commit(texts("3", "NULL", "NULL", "2", "1/2/3", "3", "4")); got != "" || !w.l.exact() {
		t.Errorf("%q is named, exact %t", got, w.l.exact())
	}
}

// Beyond a bound all rows are named.
func TestRederiveSetIsBounded(t *testing.T) {
	t.Parallel()
	var s rederiveSet
	var values []string
	for i := range maxRederiveValues {
		values = append(values, strconv.Itoa(i))
	}
	s.add("public.bin", []string{"a"}, values)
	if list := s.list(); len(list) != 1 || len(list[0].Values) != maxRederiveValues {
		t.Fatalf("%d of them are named", len(list[0].Values))
	}
	s.add("public.tray", []string{"b"}, []string{"x"})
	s.add("public.bin", []string{"a"}, []string{"y"})
	if got := fmt.Sprint(s.list()); got != "[{public.bin [] []} {public.tray [] []}]" {
		t.Errorf("named: %s", got)
	}
	var long rederiveSet
	long.merge([]inventory.Rederive{{Table: "public.bin", Columns: []string{"a"}, Values: [][]string{{strings.Repeat("x", maxRederiveBytes+1)}}}})
	if got := fmt.Sprint(long.list()); got != "[{public.bin [] []}]" {
		t.Errorf("named: %.40s", got)
	}
}

// collided are part numbers that became one.
func collided() []collision { return []collision{{"ATE:1234", "12-34", "123-4", "public.part 7"}} }

// recalled are spellings of a run that an earlier one left what collided.
func recalled(list []collision) *spellings {
	s := newSpellings(slog.New(slog.DiscardHandler), prometheus.NewCounter(prometheus.CounterOpts{}))
	s.recall(list)
	return s
}

// What is remembered of rows does not keep the text alive that it was cut out of.
func TestRememberedTextsAreCopies(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("12-34 123-4 1234 ", 1_000)
	within := func(s string) bool {
		at := uintptr(unsafe.Pointer(unsafe.StringData(s))) - uintptr(unsafe.Pointer(unsafe.StringData(text)))
		return at < uintptr(len(text))
	}
	if !within(text[6:11]) {
		t.Fatal("what is within is not found")
	}
	l := &lookups{missed: make(map[missedRow]bool)}
	l.miss(publicTable("part"), text[12:16])
	l.miss(publicTable("part"), text[29:33])
	for m := range l.missed {
		if within(m.key) || len(l.missed) != 1 {
			t.Errorf("%d rows are remembered, %q as it was cut out of a text", len(l.missed), m.key)
		}
	}
	s := recalled(nil)
	s.note(text[12:16], text[0:5], "part 1")
	s.note(text[12:16], text[6:11], "part 2")
	if list := s.collisions(); len(list) != 1 {
		t.Errorf("%d collisions are known", len(list))
	}
	for key, c := range s.told {
		for _, kept := range []string{key, c.SKU, c.First, c.Second, c.Holder} {
			if within(kept) {
				t.Errorf("%q is kept as it was cut out of a text", kept)
			}
		}
	}
}

// A part number is another's rival until what that belongs to is spelled anew, also
// in the next run.
func TestSpellings(t *testing.T) {
	t.Parallel()
	s := recalled(nil)
	ask := func(key, spelled, holder, want string) {
		t.Helper()
		other, known := s.note(key, spelled, "")
		if !known {
			other, known = s.note(key, spelled, holder)
		}
		if other != want || !known {
			t.Errorf("%s of %s: rival %q, want %q", spelled, holder, other, want)
		}
	}
	ask("1234", "1234", "part 1", "")
	ask("1234", "12-34", "part 1", "")
	ask("1234", "12.34", "part 2", "")
	ask("1234", "1234", "part 3", "")
	ask("1234", "123-4", "part 3", "12-34")
	ask("1234", "123-4", "part 4", "12-34")
	ask("ABC", "AB-C", "part 5", "")
	ask("ABC", "A-BC", "part 5", "") // it was spelled anew
	ask("ABC", "AB-C", "part 6", "A-BC")
	if n := len(s.collisions()); n != 2 || !s.takeFresh() || s.takeFresh() {
		t.Errorf("%d collisions are known, want 2, and that they changed told once", n)
	}
	s = recalled(s.collisions())
	ask("1234", "123-4", "part 3", "12-34")
	ask("ABC", "AB-C", "part 6", "A-BC")
	ask("1234", "123-4", "part 1", "") // the first is spelled anew, so that the two are one
	ask("1234", "123-4", "part 3", "")
	ask("1234", "12-34", "part 2", "123-4")
	s = recalled(nil)
	for i := range maxSpellings + 10 {
		s.note(strconv.Itoa(i), strconv.Itoa(i), "x")
	}
	if s.seen.Len() != maxSpellings {
		t.Errorf("%d spellings are remembered", s.seen.Len())
	}
	ask(strconv.Itoa(maxSpellings+5), "500-005", "part 7", "")
}

// TestKeptLookups pins what is kept of lookups beside the jobs: the next version
// reads it.
func TestKeptLookups(t *testing.T) {
	t.Parallel()
	l := &lookups{missed: map[missedRow]bool{{publicTable("part"), "P1"}: true, {publicTable("brand"), `B"1`}: true}}
	at := inventory.Position{Run: 1764000000001, Number: 7}
	for want, text := range map[string][]byte{
		`{"jobs":[],"rederived":"001764000000001-000000000007","missed":[["public.brand","B\"1"],["public.part","P1"]]}`: encodeJobs(nil, at, l.keepMissed(), nil),
		`{"jobs":[],"rederived":"001764000000001-000000000007","missed":[]}`:                                             encodeJobs(nil, at, (&lookups{missed: map[missedRow]bool{}}).keepMissed(), nil),
		`{"jobs":[],"rederived":"001764000000001-000000000007"}`:                                                         encodeJobs(nil, at, (*lookups)(nil).keepMissed(), nil),
		``: encodeJobs(nil, inventory.Position{}, l.keepMissed(), nil),
		`{"jobs":[],"collisions":[{"sku":"ATE:1234","first":"12-34","second":"123-4","holder":"public.part 7"}]}`: encodeJobs(nil, inventory.Position{}, nil, collided()),
	} {
		if string(text) != want {
			t.Errorf("kept %s, want %s", text, want)
		}
		if want == "" {
			continue
		}
		_, _, left, err := decodeJobs(text, nil, nil)
		if strings.Contains(want, "collisions") {
			if s := recalled(left.collisions); err != nil || !slices.Equal(s.collisions(), collided()) {
				t.Errorf("read back: %+v, %v", left, err)
			}
			continue
		}
		if err != nil || left.rederived != at {
			t.Fatalf("read back: %+v, %v", left, err)
		}
		again := &lookups{}
		if again.recall(left.missed); string(encodeJobs(nil, at, again.keepMissed(), nil)) != want {
			t.Errorf("read back as %v", again.missed)
		}
	}
}
