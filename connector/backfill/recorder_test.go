package backfill_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// stock is a table with a key of two columns.
var stock = &cdc.Table{
	Name: cdc.TableName{Schema: "wms", Name: "stock"}, Key: []int{1, 0},
	Columns: []cdc.Column{{Name: "bin", Type: cdc.TypeInteger}, {Name: "site", Type: cdc.TypeText}, {Name: "qty", Type: cdc.TypeDecimal}},
}

// altered returns stock after f.
func altered(f func(t *cdc.Table)) *cdc.Table {
	t := &cdc.Table{Name: stock.Name, Key: slices.Clone(stock.Key), Columns: slices.Clone(stock.Columns)}
	f(t)
	return t
}

func bin(n int) cdc.Row {
	return cdc.Row{cdc.Text(strconv.Itoa(n)), cdc.Text("DC1"), cdc.Text("1.5")}
}

func binKey(n int) cdc.RowKey { return cdc.RowKey(`["DC1",` + strconv.Itoa(n) + `]`) }

func wrote(t *cdc.Table, bins ...int) []cdc.NetChange {
	var out []cdc.NetChange
	for _, n := range bins {
		out = append(out, cdc.NetChange{Op: cdc.OpUpdate, Table: t, Key: binKey(n), After: bin(n)})
	}
	return out
}

func truncated() []cdc.NetChange {
	return []cdc.NetChange{{Op: cdc.OpTruncate, Table: stock}}
}

// tx is a whole commit; views see it by its number.
func tx(n int) *cdc.Transaction {
	return &cdc.Transaction{ID: strconv.Itoa(n), Last: true, Resume: resumeAt(n + 1), Changes: make([]cdc.Change, 1)}
}

// chunkOf is a chunk of bins, seen by a view of the first seen transactions.
func chunkOf(seen uint8, bins ...int) *backfill.Chunk {
	c := &backfill.Chunk{Table: stock, View: view{prefix(seen)}}
	for _, n := range bins {
		c.Rows = append(c.Rows, bin(n))
		c.Last = backfill.Key{"DC1", strconv.Itoa(n)}
	}
	return c
}

func keys(bins ...int) []backfill.Key {
	var out []backfill.Key
	for _, n := range bins {
		out = append(out, backfill.Key{"DC1", strconv.Itoa(n)})
	}
	return out
}

// merge shows what a merge places: keys, and a minus where there is no row.
func merge(t *testing.T, w *backfill.Window, r *backfill.Request, c *backfill.Chunk) string {
	t.Helper()
	placed, err := w.Merge(r, c)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range placed {
		switch {
		case p.Row == nil && p.Index == -1:
			out = append(out, "-"+string(p.Key))
		case cmp.Diff(p.Row, c.Rows[p.Index], sameValues) != "":
			t.Errorf("row %s is %v, and row %d of the chunk %v", p.Key, p.Row, p.Index, c.Rows[p.Index])
		default:
			out = append(out, string(p.Key))
		}
	}
	return strings.Join(out, " ")
}

var sameValues = cmp.Comparer(func(a, b cdc.Value) bool { return a == b })

func TestMerge(t *testing.T) {
	t.Parallel()
	type step struct {
		tx      int
		changes []cdc.NetChange
	}
	tests := []struct {
		name  string
		steps []step
		seen  uint8
		bins  []int
		keys  []backfill.Key
		want  string
	}{
		{name: "quiet stream", bins: []int{1, 2}, want: `["DC1",1] ["DC1",2]`},
		{name: "no rows", want: ""},
		{name: "row touched unseen", steps: []step{{0, wrote(stock, 2)}}, bins: []int{1, 2, 3}, want: `["DC1",1] ["DC1",3]`},
		{name: "row touched and seen", steps: []step{{0, wrote(stock, 2)}}, seen: 1, bins: []int{1, 2}, want: `["DC1",1] ["DC1",2]`},
		{name: "seen, then unseen", steps: []step{{0, wrote(stock, 2)}, {1, wrote(stock, 2)}}, seen: 1, bins: []int{1, 2}, want: `["DC1",1]`},
		{name: "other table", steps: []step{{0, wrote(toys, 2)}}, bins: []int{2}, want: `["DC1",2]`},
		{name: "between changes of other tables", steps: []step{{0, slices.Concat(wrote(toys, 1), wrote(stock, 2), wrote(toys, 3))}}, bins: []int{1, 2, 3}, want: `["DC1",1] ["DC1",3]`},
		{name: "truncate unseen", steps: []step{{0, truncated()}}, bins: []int{1, 2}, want: ""},
		{name: "truncate seen", steps: []step{{0, truncated()}}, seen: 1, bins: []int{1}, want: `["DC1",1]`},
		{name: "touched, then emptied, then seen", steps: []step{{0, wrote(stock, 1)}, {1, truncated()}}, seen: 2, bins: []int{1}, want: `["DC1",1]`},
		{name: "truncate seen, row unseen", steps: []step{{0, truncated()}, {1, wrote(stock, 1)}}, seen: 1, bins: []int{1, 2}, want: `["DC1",2]`},
		{name: "listed and there", keys: keys(2, 1), bins: []int{1, 2}, want: `["DC1",1] ["DC1",2]`},
		{name: "listed and not there", keys: keys(3, 1, 2), bins: []int{1}, want: `["DC1",1] -["DC1",3] -["DC1",2]`},
		{name: "listed twice and not there", keys: keys(3, 3), want: `-["DC1",3]`},
		{name: "listed, not there, inserted unseen", keys: keys(1, 3), bins: []int{1}, steps: []step{{0, wrote(stock, 3)}}, want: `["DC1",1]`},
		{name: "listed, deleted and seen", keys: keys(3), seen: 1, steps: []step{{0, wrote(stock, 3)}}, want: `-["DC1",3]`},
		{name: "listed, there, touched unseen", keys: keys(1, 2), bins: []int{1, 2}, steps: []step{{0, wrote(stock, 1)}}, want: `["DC1",2]`},
		{name: "listed, truncate unseen", keys: keys(1, 3), bins: []int{1}, steps: []step{{0, truncated()}}, want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := backfill.NewRecorder(10)
			r.Record(tx(9), wrote(stock, 1, 2, 3)) // before the window, so marked and seen
			w := r.Open(stock.Name)
			for _, s := range tt.steps {
				r.Record(tx(s.tx), s.changes)
			}
			request := &backfill.Request{Table: stock.Name, Keys: tt.keys}
			for _, when := range []string{"first", "second"} {
				if got := merge(t, w, request, chunkOf(tt.seen, tt.bins...)); got != tt.want {
					t.Errorf("%s merge places %q, want %q", when, got, tt.want)
				}
			}
		})
	}
}

func TestWindowsAreIndependent(t *testing.T) {
	t.Parallel()
	r := backfill.NewRecorder(10)
	request := &backfill.Request{Table: stock.Name}
	first := r.Open(stock.Name)
	r.Record(tx(0), wrote(stock, 1))
	second := r.Open(stock.Name)
	other := r.Open(toys.Name)
	r.Record(tx(1), wrote(stock, 2))
	if got := []int{first.Keys(), second.Keys(), other.Keys()}; !slices.Equal(got, []int{2, 1, 0}) {
		t.Errorf("windows hold %v rows, want [2 1 0]", got)
	}
	if r.Keys() != 3 {
		t.Errorf("all windows hold %d rows, want 3", r.Keys())
	}
	first.Close()
	first.Close()
	r.Record(tx(2), wrote(stock, 3))
	if got, want := merge(t, second, request, chunkOf(0, 1, 2, 3, 4)), `["DC1",1] ["DC1",4]`; got != want {
		t.Errorf("the second window places %q, want %q", got, want)
	}
	if first.Keys() != 0 {
		t.Error("a closed window holds rows")
	}
	second.Close()
	third := r.Open(stock.Name)
	r.Record(tx(3), wrote(stock, 4))
	if third.Keys() != 1 {
		t.Error("a window opened after all others were closed notes nothing")
	}
}

func TestPartsAreOneCommit(t *testing.T) {
	t.Parallel()
	r := backfill.NewRecorder(10)
	w := r.Open(stock.Name)
	part := func(id, n int, last bool) *cdc.Transaction {
		p := tx(id)
		p.Part, p.Last = n, last
		if !last {
			p.Resume = resumeAt(id)
		}
		return p
	}
	// The window notes the first part of 0 and the second of 1. The last parts
	// touch nothing of ours, but say where the commits end.
	r.Record(part(0, 0, false), wrote(stock, 1))
	r.Record(part(0, 1, true), nil)
	r.Record(part(1, 0, false), nil)
	r.Record(part(1, 1, false), wrote(stock, 2))
	if _, err := w.Merge(&backfill.Request{}, chunkOf(1, 1, 2)); err == nil || errors.Is(err, backfill.ErrReread) {
		t.Errorf("a merge within a commit: %v", err)
	}
	r.Record(&cdc.Transaction{Resume: "progress"}, nil)
	if _, err := w.Merge(&backfill.Request{}, chunkOf(1, 1, 2)); err == nil {
		t.Error("progress ended a commit")
	}
	r.Record(part(1, 2, true), nil)
	r.Record(tx(2), wrote(stock, 3))
	asked := &wholeView{t: t, ends: map[string]cdc.Resume{"0": "1", "1": "2", "2": "3"}}
	c := chunkOf(0, 1, 2, 3)
	c.View = asked
	if got := merge(t, w, &backfill.Request{}, c); got != "" || asked.count != 3 {
		t.Errorf("placed %q after %d questions, want nothing after 3", got, asked.count)
	}
}

// wholeView sees nothing, and expects to be asked about whole commits without their changes.
type wholeView struct {
	t     *testing.T
	ends  map[string]cdc.Resume
	count int
}

func (v *wholeView) Sees(t *cdc.Transaction) bool {
	v.count++
	if t.Changes != nil || !t.Last || t.Resume != v.ends[t.ID] {
		v.t.Errorf("asked about %+v", t)
	}
	return false
}

func (v *wholeView) Reached(cdc.Resume) bool { return true }

func TestWindowOpenedWithinACommit(t *testing.T) {
	t.Parallel()
	r := backfill.NewRecorder(10)
	first, last := tx(0), tx(0)
	first.Last, last.Part = false, 1
	r.Record(first, wrote(stock, 1))
	w := r.Open(stock.Name)
	r.Record(last, nil)
	if _, err := w.Merge(&backfill.Request{}, chunkOf(0, 1)); err == nil || errors.Is(err, backfill.ErrReread) {
		t.Errorf("a window that missed half a commit merges: %v", err)
	}
	r.Record(tx(1), nil)
	if got := merge(t, r.Open(stock.Name), &backfill.Request{}, chunkOf(0, 1)); got != `["DC1",1]` {
		t.Errorf("a window opened after it places %q", got)
	}
}

func TestProgressIsNoCommit(t *testing.T) {
	t.Parallel()
	r := backfill.NewRecorder(10)
	r.Record(&cdc.Transaction{Resume: "5"}, nil)
	if got := merge(t, r.Open(stock.Name), &backfill.Request{}, chunkOf(0, 1)); got != `["DC1",1]` {
		t.Errorf("after progress a window places %q", got)
	}
}

func TestOverflow(t *testing.T) {
	t.Parallel()
	r := backfill.NewRecorder(2)
	w := r.Open(stock.Name)
	r.Record(tx(0), wrote(stock, 1, 2))
	r.Record(tx(1), wrote(stock, 1, 2)) // the same rows take no more room
	if w.Keys() != 2 || w.Overflowed() {
		t.Fatalf("holds %d rows, overflowed %v", w.Keys(), w.Overflowed())
	}
	r.Record(tx(2), wrote(stock, 3))
	r.Record(tx(3), wrote(stock, 4))
	if w.Keys() != 0 || !w.Overflowed() {
		t.Errorf("after three rows it holds %d rows, overflowed %v", w.Keys(), w.Overflowed())
	}
	_, err := w.Merge(&backfill.Request{}, chunkOf(0, 9))
	if !errors.Is(err, backfill.ErrOverflow) || !errors.Is(err, backfill.ErrReread) {
		t.Errorf("merge: %v", err)
	}
	// Emptying the table makes room.
	w = r.Open(stock.Name)
	r.Record(tx(4), wrote(stock, 1, 2))
	r.Record(tx(5), slices.Concat(truncated(), wrote(stock, 3)))
	if w.Keys() != 1 || w.Overflowed() {
		t.Errorf("after a truncate it holds %d rows, overflowed %v", w.Keys(), w.Overflowed())
	}
}

func TestAlteredTable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		stream *cdc.Table
		reread bool
	}{
		{"the same again", altered(func(*cdc.Table) {}), false},
		{"source's name of a type", altered(func(t *cdc.Table) { t.Columns[2].SourceType = "numeric(9,2)" }), false},
		{"columns in another order", altered(func(t *cdc.Table) {
			t.Columns[0], t.Columns[1], t.Key = t.Columns[1], t.Columns[0], []int{0, 1}
		}), false},
		{"type of a key column", altered(func(t *cdc.Table) { t.Columns[0].Type = cdc.TypeText }), true},
		{"type of another column", altered(func(t *cdc.Table) { t.Columns[2].Type = cdc.TypeText }), true},
		{"order of the key", altered(func(t *cdc.Table) { t.Key = []int{0, 1} }), true},
		{"other key", altered(func(t *cdc.Table) { t.Key = []int{1, 2} }), true},
		{"shorter key", altered(func(t *cdc.Table) { t.Key = []int{1} }), true},
		{"renamed column", altered(func(t *cdc.Table) { t.Columns[2].Name = "quantity" }), true},
		{"dropped column", altered(func(t *cdc.Table) { t.Columns = t.Columns[:2] }), true},
		{"added column", altered(func(t *cdc.Table) { t.Columns = append(t.Columns, cdc.Column{Name: "lot"}) }), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := backfill.NewRecorder(10)
			w := r.Open(stock.Name)
			r.Record(tx(0), wrote(stock, 1))
			r.Record(tx(1), wrote(tt.stream, 1))
			r.Record(tx(2), wrote(stock, 1))
			_, err := w.Merge(&backfill.Request{}, chunkOf(3, 1))
			if errors.Is(err, backfill.ErrReread) != tt.reread || errors.Is(err, backfill.ErrOverflow) {
				t.Errorf("merge: %v, want reread %v", err, tt.reread)
			}
			if err != nil && !strings.Contains(err.Error(), "wms.stock") {
				t.Errorf("%q does not name the table", err)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	r := backfill.NewRecorder(10)
	closed := r.Open(stock.Name)
	closed.Close()
	nullKey := chunkOf(0, 1, 2)
	nullKey.Rows[1][1] = cdc.Null
	otherTable := chunkOf(0)
	otherTable.Table = toys
	tests := []struct {
		name string
		w    *backfill.Window
		keys []backfill.Key
		c    *backfill.Chunk
		want string
	}{
		{"closed window", closed, nil, chunkOf(0, 1), "window is closed"},
		{"chunk of another table", r.Open(stock.Name), nil, otherTable, "public.toy: its window is on table wms.stock"},
		{"row without a key", r.Open(stock.Name), nil, nullKey, "row 1 of a chunk of table wms.stock: incomplete row key"},
		{"short key", r.Open(stock.Name), []backfill.Key{{"DC1"}}, chunkOf(0), `key ["DC1"] has 1 values, the table's has 2`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			placed, err := tt.w.Merge(&backfill.Request{Keys: tt.keys}, tt.c)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, backfill.ErrReread) {
				t.Errorf("placed %v, %v, want an error with %q", placed, err, tt.want)
			}
		})
	}
	if err := nullKey.Prepare(); !errors.Is(err, cdc.ErrKey) {
		t.Errorf("prepare: %v, want %v", err, cdc.ErrKey)
	}
}
