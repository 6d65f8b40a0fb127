package lookup_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
)

// TestTableAgainstMap holds a table with an index to a map of rows.
func TestTableAgainstMap(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "b", "äö", strings.Repeat("x", 127), strings.Repeat("y", 128), strings.Repeat("z", 70_000)})
	value := rapid.Custom(func(t *rapid.T) cdc.Value {
		if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
			return cdc.Null
		}
		return cdc.Text(text.Draw(t, "text"))
	})
	rapid.Check(t, func(t *rapid.T) {
		table, model := lookup.New([]string{"code", "parent"}), map[string][]cdc.Value{}
		var groups []*lookup.Group
		held := map[string]string{} // texts that were handed out, by what they were
		indexed, steps := rapid.IntRange(0, 40).Draw(t, "indexed from"), rapid.IntRange(1, 120).Draw(t, "steps")
		for i := range steps {
			if i == indexed {
				table.Index(1)
				table.Index(0, 1)
				groups = []*lookup.Group{table.Group(1), table.Group(0, 1)}
			}
			key := strconv.Itoa(rapid.IntRange(0, 20).Draw(t, "key"))
			switch op := rapid.IntRange(0, 40).Draw(t, "op"); {
			case op == 0:
				table.Clear()
				clear(model)
			case op < 12:
				_, there := model[key]
				delete(model, key)
				if table.Delete(key) != there {
					t.Fatalf("Delete(%s): got %t", key, !there)
				}
			default:
				row := []cdc.Value{value.Draw(t, "code"), value.Draw(t, "parent")}
				model[key] = row
				r := table.Put(key, row)
				v := table.Value(r, 0).Text()
				held[v] = strings.Clone(v)
			}
		}
		compare(t, table, model)
		if indexed < steps {
			compareIndex(t, table, model)
			compareKeys(t, table, groups, model)
		}
		for got, want := range held {
			if got != want {
				t.Fatalf("a text that was handed out changed from %q to %q", want, got)
			}
		}
	})
}

func compare(t *rapid.T, table *lookup.Table, model map[string][]cdc.Value) {
	if table.Len() != len(model) {
		t.Fatalf("%d rows, want %d", table.Len(), len(model))
	}
	var keys []string
	for r := range table.All() {
		keys = append(keys, table.Key(r))
	}
	slices.Sort(keys)
	if want := slices.Sorted(maps.Keys(model)); !slices.Equal(keys, want) {
		t.Fatalf("rows %q, want %q", keys, want)
	}
	for i := range 21 {
		key := strconv.Itoa(i)
		r, ok := table.Find(key)
		want, there := model[key]
		if ok != there {
			t.Fatalf("Find(%s): got %t", key, ok)
		}
		if ok && !slices.Equal(table.Values(r), want) {
			t.Fatalf("row %s: got %v, want %v", key, table.Values(r), want)
		}
		if ok && table.Value(r, 1) != want[1] {
			t.Fatalf("row %s: got %v, want %v", key, table.Value(r, 1), want[1])
		}
	}
}

func compareIndex(t *rapid.T, table *lookup.Table, model map[string][]cdc.Value) {
	want, got := map[string][]string{}, map[string][]string{}
	for key, row := range model {
		if !row[1].IsNull() {
			want[row[1].Text()] = append(want[row[1].Text()], key)
		}
	}
	for text := range want {
		for r := range table.Referring([]int{1}, text) {
			got[text] = append(got[text], table.Key(r))
		}
		slices.Sort(want[text])
		slices.Sort(got[text])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("rows by parent (-want +got):\n%s", diff)
	}
}

// compareKeys holds what is found by two columns, and what is only counted, to model.
func compareKeys(t *rapid.T, table *lookup.Table, groups []*lookup.Group, model map[string][]cdc.Value) {
	want, got := map[string][]string{}, map[string][]string{}
	parents := map[string]bool{}
	for key, row := range model {
		if both := lookup.JoinKey(row...); !row[0].IsNull() || !row[1].IsNull() {
			want[both] = append(want[both], key)
		}
		if !row[1].IsNull() {
			parents[row[1].Text()] = true
		}
	}
	for both := range want {
		for r := range table.Referring([]int{0, 1}, both) {
			got[both] = append(got[both], table.Key(r))
		}
		slices.Sort(want[both])
		slices.Sort(got[both])
		if !groups[1].Has(both) {
			t.Fatalf("no row has %.40s", both)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("rows by code and parent (-want +got):\n%s", diff)
	}
	for _, parent := range []string{"", "a", "b", "äö", "nothing"} {
		if has := groups[0].Has(parent); has != parents[parent] || has != groups[0].HasBytes([]byte(parent)) {
			t.Fatalf("there is a row of parent %q: %t", parent, has)
		}
		for _, code := range []string{"a", "b"} {
			both := lookup.JoinKey(cdc.Text(code), cdc.Text(parent))
			if groups[1].Has(both) != (want[both] != nil) {
				t.Fatalf("there is a row of %s: %t", both, groups[1].Has(both))
			}
		}
	}
}

// The keys of several columns are taken apart into what they were made of.
func TestKeysAreTakenApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var values []cdc.Value
		for _, text := range rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune(`a",[]\ä\x00`)), 0, 5, 20), 1, 4).Draw(t, "values") {
			v := cdc.Text(text)
			if strings.HasPrefix(text, "[") {
				v = cdc.Null
			}
			values = append(values, v)
		}
		key := lookup.JoinKey(values...)
		if len(values) == 1 && values[0].IsNull() {
			return // it names nothing
		}
		if got := lookup.SplitKey(key, len(values)); !slices.Equal(got, values) {
			t.Fatalf("%s of %q becomes %q", key, values, got)
		}
		if len(values) > 1 && lookup.SplitKey(key, len(values)+1) != nil {
			t.Fatalf("%s has %d values", key, len(values)+1)
		}
	})
}

func TestRefsAreInOrder(t *testing.T) {
	t.Parallel()
	table := lookup.New([]string{"code"})
	for i := range 50_000 {
		if r := table.Put(strconv.Itoa(i), []cdc.Value{cdc.Text("x")}); int(r) != i {
			t.Fatalf("row %d has ref %d", i, r)
		}
	}
}

// A table that is written all the time takes no more memory than it needs.
func TestChurnIsReclaimed(t *testing.T) {
	t.Parallel()
	table := lookup.New([]string{"code"})
	for round := range 50 {
		for i := range 10_000 {
			table.Put(strconv.Itoa(i), []cdc.Value{cdc.Text(fmt.Sprintf("code %d of round %d", i, round))})
		}
	}
	const most = 4 << 20 // 10,000 records of 40 bytes are 0.4 MB, and a page is 256 KiB
	if n := table.Bytes(); n > most {
		t.Errorf("%d bytes for 10,000 rows, want at most %d", n, most)
	}
	for i := range 10_000 {
		r, ok := table.Find(strconv.Itoa(i))
		if want := fmt.Sprintf("code %d of round 49", i); !ok || table.Value(r, 0).Text() != want {
			t.Fatalf("row %d: got %t %q, want %q", i, ok, table.Value(r, 0).Text(), want)
		}
	}
}

func TestPutRefusesWhatWasNotSent(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("took a value that was not sent")
		}
	}()
	lookup.New([]string{"code"}).Put("1", []cdc.Value{cdc.Unchanged})
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		t          cdc.Type
		text, want string
	}{
		{cdc.TypeInteger, "100", "100"},
		{cdc.TypeDecimal, "100", "100"},
		{cdc.TypeDecimal, "100.00", "100"},
		{cdc.TypeDecimal, "1.50", "1.5"},
		{cdc.TypeText, "1.50", "1.50"},
		{cdc.TypeDecimal, "NaN", "NaN"},
	} {
		if got := lookup.Key(tt.t, tt.text); got != tt.want {
			t.Errorf("Key(%s, %s): got %s, want %s", tt.t, tt.text, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b cdc.Type
		want bool
	}{
		{cdc.TypeInteger, cdc.TypeInteger, true},
		{cdc.TypeInteger, cdc.TypeDecimal, true},
		{cdc.TypeUUID, cdc.TypeUUID, true},
		{cdc.TypeText, cdc.TypeInteger, false},
		{cdc.TypeFloat, cdc.TypeFloat, false},
		{cdc.TypeText, cdc.TypeUUID, false},
	} {
		if got := lookup.Comparable(tt.a, tt.b); got != tt.want {
			t.Errorf("Comparable(%s, %s): got %t", tt.a, tt.b, got)
		}
	}
}
