package cdc_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
)

// parts returns a table (id integer key, v, big), where big may go unsent.
func parts(name string) *cdc.Table {
	return &cdc.Table{Name: cdc.TableName{Schema: "s", Name: name}, Key: []int{0}, Columns: []cdc.Column{
		{Name: "id", Type: cdc.TypeInteger}, {Name: "v", Type: cdc.TypeText}, {Name: "big", Type: cdc.TypeText},
	}}
}

func whole(changes ...cdc.Change) *cdc.Transaction {
	return &cdc.Transaction{ID: "7", Changes: changes, Last: true}
}

func net(t *testing.T, tx *cdc.Transaction) []string {
	t.Helper()
	var n cdc.Netter
	changes, err := n.Net(tx)
	if err != nil {
		t.Fatal(err)
	}
	return shown(changes)
}

func shown(changes []cdc.NetChange) []string {
	out := []string{}
	for _, c := range changes {
		s := fmt.Sprintf("%s %s %s", c.Op, c.Table.Name.Name, c.Key)
		if c.After != nil {
			s += fmt.Sprint(" ", c.After)
		}
		if c.Created {
			s += " created"
		}
		out = append(out, s)
	}
	return out
}

func TestNet(t *testing.T) {
	t.Parallel()
	a, b := parts("a"), parts("b")
	insert := func(t *cdc.Table, v ...string) cdc.Change {
		return cdc.Change{Op: cdc.OpInsert, Table: t, After: row(v...)}
	}
	update := func(t *cdc.Table, before, after cdc.Row) cdc.Change {
		return cdc.Change{Op: cdc.OpUpdate, Table: t, Before: before, After: after}
	}
	remove := func(t *cdc.Table, id string) cdc.Change {
		return cdc.Change{Op: cdc.OpDelete, Table: t, Before: keyOnly(id)}
	}
	truncate := func(t *cdc.Table) cdc.Change { return cdc.Change{Op: cdc.OpTruncate, Table: t} }
	read := cdc.Change{Op: cdc.OpRead, Table: a, After: row("1", "x", "y")}
	hole := cdc.Row{cdc.Text("1"), cdc.Text("w"), cdc.Unchanged}
	for _, tt := range []struct {
		name string
		tx   *cdc.Transaction
		want []string
	}{
		{"nothing", whole(), []string{}},
		{"insert", whole(insert(a, "1", "x", "y")), []string{"insert a [1] [1 x y] created"}},
		{"insert, update", whole(insert(a, "1", "x", "y"), update(a, nil, row("1", "z", "y"))), []string{"update a [1] [1 z y] created"}},
		{"insert, delete", whole(insert(a, "1", "x", "y"), remove(a, "1")), []string{}},
		{"delete, insert", whole(remove(a, "1"), insert(a, "1", "x", "y")), []string{"insert a [1] [1 x y]"}},
		{"insert, delete, insert", whole(insert(a, "1", "x", "y"), remove(a, "1"), insert(a, "1", "z", "y")), []string{"insert a [1] [1 z y] created"}},
		{"key change", whole(update(a, keyOnly("1"), row("2", "x", "y"))), []string{"delete a [1]", "update a [2] [2 x y] created"}},
		{"key change and back", whole(update(a, keyOnly("1"), row("2", "x", "y")), update(a, keyOnly("2"), row("1", "x", "y"))), []string{"update a [1] [1 x y]"}},
		{"key change onto a deleted row", whole(remove(a, "2"), update(a, keyOnly("1"), row("2", "x", "y"))), []string{"update a [2] [2 x y]", "delete a [1]"}},
		{
			"swap", whole(update(a, keyOnly("1"), row("9", "x", "y")), update(a, keyOnly("2"), row("1", "u", "v")), update(a, keyOnly("9"), row("2", "x", "y"))),
			[]string{"update a [1] [1 u v]", "update a [2] [2 x y]"},
		},
		{
			"truncate first", whole(insert(b, "1", "x", "y"), insert(a, "1", "x", "y"), truncate(a), insert(a, "2", "x", "y"), truncate(a)),
			[]string{"truncate a ", "insert b [1] [1 x y] created"},
		},
		{"truncate, insert", whole(remove(a, "1"), truncate(a), insert(a, "1", "x", "y")), []string{"truncate a ", "insert a [1] [1 x y] created"}},
		{"truncate, insert, delete", whole(truncate(a), insert(a, "1", "x", "y"), remove(a, "1")), []string{"truncate a "}},
		{"unsent", whole(update(a, nil, slices.Clone(hole))), []string{"update a [1] [1 w (unchanged)]"}},
		{"unsent, before image", whole(update(a, row("1", "x", "y"), slices.Clone(hole))), []string{"update a [1] [1 w y]"}},
		{"unsent, sent earlier", whole(insert(a, "1", "x", "y"), update(a, nil, slices.Clone(hole))), []string{"update a [1] [1 w y] created"}},
		{
			"unsent, sent before a key change", whole(update(a, nil, row("1", "x", "y")), update(a, keyOnly("1"), cdc.Row{cdc.Text("2"), cdc.Text("w"), cdc.Unchanged})),
			[]string{"delete a [1]", "update a [2] [2 w y] created"},
		},
		{
			"unsent, sent under another version of the table", whole(insert(a, "1", "x", "y"), update(parts("a"), nil, slices.Clone(hole))),
			[]string{"update a [1] [1 w (unchanged)] created"},
		},
		{"one table in two versions", whole(insert(a, "1", "x", "y"), cdc.Change{Op: cdc.OpDelete, Table: parts("a"), Before: keyOnly("1")}), []string{}},
		{"read", whole(read), []string{"read a [1] [1 x y]"}},
		{
			"part", &cdc.Transaction{ID: "7", Part: 1, Changes: []cdc.Change{insert(a, "1", "x", "y"), insert(a, "2", "x", "y"), remove(a, "2"), update(a, keyOnly("3"), row("4", "x", "y"))}},
			[]string{"insert a [1] [1 x y]", "delete a [2]", "delete a [3]", "update a [4] [4 x y]"},
		},
		{"last part", &cdc.Transaction{ID: "7", Part: 1, Last: true, Changes: []cdc.Change{insert(a, "1", "x", "y")}}, []string{"insert a [1] [1 x y]"}},
		{"first part", &cdc.Transaction{ID: "7", Changes: []cdc.Change{remove(a, "1"), insert(a, "2", "x", "y")}}, []string{"delete a [1]", "insert a [2] [2 x y]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, net(t, tt.tx)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func keyOnly(id string) cdc.Row { return cdc.Row{cdc.Text(id), cdc.Unchanged, cdc.Unchanged} }

func TestNetRefusesWhatHasNoKey(t *testing.T) {
	t.Parallel()
	a := parts("a")
	for name, c := range map[string]cdc.Change{
		"insert null":           {Op: cdc.OpInsert, Table: a, After: cdc.Row{cdc.Null, cdc.Null, cdc.Null}},
		"insert nil":            {Op: cdc.OpInsert, Table: a},
		"delete nil":            {Op: cdc.OpDelete, Table: a},
		"delete unsent":         {Op: cdc.OpDelete, Table: a, Before: cdc.Row{cdc.Unchanged, cdc.Null, cdc.Null}},
		"update unsent":         {Op: cdc.OpUpdate, Table: a, After: cdc.Row{cdc.Unchanged, cdc.Null, cdc.Null}},
		"update before":         {Op: cdc.OpUpdate, Table: a, Before: cdc.Row{cdc.Unchanged, cdc.Null, cdc.Null}, After: row("1", "", "")},
		"update without after":  {Op: cdc.OpUpdate, Table: a, Before: row("1", "", "")},
		"read null":             {Op: cdc.OpRead, Table: a, After: cdc.Row{cdc.Null, cdc.Null, cdc.Null}},
		"update null key after": {Op: cdc.OpUpdate, Table: a, Before: keyOnly("1"), After: cdc.Row{cdc.Null, cdc.Null, cdc.Null}},
	} {
		var n cdc.Netter
		got, err := n.Net(whole(c))
		if !errors.Is(err, cdc.ErrKey) {
			t.Errorf("%s: got %v, %v; want ErrKey", name, got, err)
		}
	}
	var n cdc.Netter
	if _, err := n.Net(whole(cdc.Change{Table: a, After: row("1", "", "")})); err == nil {
		t.Error("took a change without an operation")
	}
	if got, err := n.Net(whole(cdc.Change{Op: cdc.OpInsert, Table: a, After: row("1", "", "")})); err != nil || len(got) != 1 {
		t.Errorf("after an error: got %v, %v", got, err)
	}
}

// TestNetterAfterAHugeCommit has one commit above the size at which a Netter
// lets go of its memory.
func TestNetterAfterAHugeCommit(t *testing.T) {
	t.Parallel()
	a := parts("a")
	var n cdc.Netter
	for _, rows := range []int{1, 10_000, 2, 10_000, 1} {
		tx := whole()
		for i := range rows {
			tx.Changes = append(tx.Changes, cdc.Change{Op: cdc.OpInsert, Table: a, After: row(strconv.Itoa(i), "x", "y")})
		}
		if got, err := n.Net(tx); err != nil || len(got) != rows || got[rows-1].Key != cdc.RowKey(fmt.Sprintf("[%d]", rows-1)) {
			t.Fatalf("%d rows: got %d, %v", rows, len(got), err)
		}
	}
}

// world is a naive model of a source with two tables: its rows, and of the
// part at hand which rows it touched, in order, and what it has sent of them.
type world struct {
	rows    map[id]modelRow
	touched []id
	before  map[id]bool // whether the row was there before the commit, as of its first touch
	last    map[id]cdc.Op
	sent    map[id]bool // the part has carried the row's big value
	cleared []string
}

type id struct {
	table string
	key   int
}

type modelRow struct{ v, big string }

func (w *world) startPart() {
	w.touched, w.cleared = nil, nil
	w.before, w.last, w.sent = map[id]bool{}, map[id]cdc.Op{}, map[id]bool{}
}

func (w *world) touch(i id, existed bool, op cdc.Op) {
	if !slices.Contains(w.touched, i) {
		w.touched = append(w.touched, i)
		w.before[i] = existed
	}
	w.last[i] = op
}

func (w *world) row(i id, r modelRow) cdc.Row { return row(strconv.Itoa(i.key), r.v, r.big) }

// step draws one change that the source could make now, and makes it.
func (w *world) step(t *rapid.T, tables map[string]*cdc.Table) cdc.Change {
	at := id{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "table"), rapid.IntRange(0, 4).Draw(t, "key")}
	table := tables[at.table]
	old, exists := w.rows[at]
	kind := rapid.IntRange(0, 12).Draw(t, "kind")
	fresh := modelRow{rapid.StringN(0, 2, -1).Draw(t, "v"), rapid.StringN(0, 2, -1).Draw(t, "big")}
	switch {
	case kind == 0:
		w.truncate(at.table)
		return cdc.Change{Op: cdc.OpTruncate, Table: table}
	case !exists:
		w.touch(at, false, cdc.OpInsert)
		w.rows[at], w.sent[at] = fresh, true
		return cdc.Change{Op: cdc.OpInsert, Table: table, After: w.row(at, fresh)}
	case kind < 4:
		w.touch(at, true, cdc.OpDelete)
		delete(w.rows, at)
		delete(w.sent, at)
		before := keyOnly(strconv.Itoa(at.key))
		if kind == 1 {
			before = w.row(at, old)
		}
		return cdc.Change{Op: cdc.OpDelete, Table: table, Before: before}
	default:
		return w.update(t, table, at, fresh, kind)
	}
}

func (w *world) truncate(table string) {
	for i := range w.rows {
		if i.table == table {
			delete(w.rows, i)
			delete(w.sent, i)
		}
	}
	w.touched = slices.DeleteFunc(w.touched, func(i id) bool { return i.table == table })
	if !slices.Contains(w.cleared, table) {
		w.cleared = append(w.cleared, table)
	}
}

// update changes a row, moves it when it can, and leaves big unsent now and then.
func (w *world) update(t *rapid.T, table *cdc.Table, at id, fresh modelRow, kind int) cdc.Change {
	old, to := w.rows[at], at
	if kind < 8 {
		to.key = rapid.IntRange(0, 4).Draw(t, "new key")
		if _, taken := w.rows[to]; taken {
			to = at
		}
	}
	c := cdc.Change{Op: cdc.OpUpdate, Table: table}
	full := kind%2 == 0
	if full {
		c.Before = w.row(at, old)
	} else if to != at {
		c.Before = keyOnly(strconv.Itoa(at.key))
	}
	unsent := kind%3 == 0
	if unsent {
		fresh.big = old.big
	}
	c.After = w.row(to, fresh)
	if unsent {
		c.After[2] = cdc.Unchanged
	}
	known := w.sent[at] || full || !unsent
	if to != at {
		w.touch(at, true, cdc.OpDelete)
		delete(w.rows, at)
		delete(w.sent, at)
		w.touch(to, false, cdc.OpUpdate)
	} else {
		w.touch(at, true, cdc.OpUpdate)
	}
	w.rows[to], w.sent[to] = fresh, known
	return c
}

// expected is what the naive model says of the part.
func (w *world) expected(tables map[string]*cdc.Table, split bool) []cdc.NetChange {
	var out []cdc.NetChange
	for _, name := range w.cleared {
		out = append(out, cdc.NetChange{Op: cdc.OpTruncate, Table: tables[name]})
	}
	for _, i := range w.touched {
		c := cdc.NetChange{Op: w.last[i], Table: tables[i.table], Key: cdc.RowKey(fmt.Sprintf("[%d]", i.key)), Created: !w.before[i] && !split}
		r, exists := w.rows[i]
		if !exists && c.Created {
			continue
		}
		if exists {
			if c.After = w.row(i, r); !w.sent[i] {
				c.After[2] = cdc.Unchanged
			}
		}
		out = append(out, c)
	}
	return out
}

// TestNetterAgainstModel runs one Netter over random commits, whole and split.
func TestNetterAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tables := map[string]*cdc.Table{"a": parts("a"), "b": parts("b")}
		w := &world{rows: map[id]modelRow{}}
		var n cdc.Netter
		for range rapid.IntRange(1, 6).Draw(t, "commits") {
			count := rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "parts")
			for part := range count {
				w.startPart()
				tx := &cdc.Transaction{ID: "7", Part: part, Last: part == count-1}
				for range rapid.IntRange(0, 12).Draw(t, "changes") {
					tx.Changes = append(tx.Changes, w.step(t, tables))
				}
				got, err := n.Net(tx)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(shown(w.expected(tables, count > 1)), shown(got)); diff != "" {
					t.Fatalf("part %d of %d (-want +got):\n%s", part, count, diff)
				}
			}
		}
	})
}

func BenchmarkNet(b *testing.B) {
	a := parts("a")
	tx := whole()
	for i := range 10 {
		tx.Changes = append(tx.Changes, cdc.Change{Op: cdc.OpUpdate, Table: a, After: row(strconv.Itoa(i), "x", "y")})
	}
	var n cdc.Netter
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Net(tx); err != nil {
			b.Fatal(err)
		}
	}
}
