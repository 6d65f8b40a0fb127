package lookup_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
)

// forest is a random forest: the parent of each node, 0 for a root, below which
// the node's number is higher.
type forest []int

func (f forest) path(node int) string {
	if f[node] == 0 {
		return strconv.Itoa(node) + "/"
	}
	return f.path(f[node]) + strconv.Itoa(node) + "/"
}

// number gives node and all below it their ranges of a nested set from n on.
func (f forest) number(node, n int, left, right []int) int {
	left[node] = n
	for child := range f {
		if child > 0 && f[child] == node && child != node {
			n = f.number(child, n+1, left, right)
		}
	}
	right[node] = n + 1
	return n + 1
}

// table holds f in all three forms.
func (f forest) table() *lookup.Table {
	left, right := make([]int, len(f)), make([]int, len(f))
	n := 0
	for node := 1; node < len(f); node++ {
		if f[node] == 0 {
			n = f.number(node, n+1, left, right)
		}
	}
	t := lookup.New([]string{"parent", "path", "lft", "rgt"})
	for node := 1; node < len(f); node++ {
		parent := cdc.Null
		if f[node] != 0 {
			parent = cdc.Text(strconv.Itoa(f[node]))
		}
		t.Put(strconv.Itoa(node), []cdc.Value{parent, cdc.Text(f.path(node)), cdc.Text(strconv.Itoa(left[node])), cdc.Text(strconv.Itoa(right[node]))})
	}
	return t
}

// below are the nodes of the subtrees of roots.
func (f forest) below(roots map[string]bool) map[string]bool {
	out := maps.Clone(roots)
	for node := 1; node < len(f); node++ {
		for at := node; at != 0; at = f[at] {
			if roots[strconv.Itoa(at)] {
				out[strconv.Itoa(node)] = true
			}
		}
	}
	return out
}

func randomForest(t *rapid.T) forest {
	f := make(forest, 1+rapid.IntRange(1, 25).Draw(t, "nodes"))
	for node := 1; node < len(f); node++ {
		f[node] = rapid.IntRange(0, node-1).Draw(t, "parent")
	}
	return f
}

// The three forms of a tree say the same.
func TestTreesAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := randomForest(t)
		table := f.table()
		roots := map[string]bool{}
		for range rapid.IntRange(0, 3).Draw(t, "roots") {
			roots[strconv.Itoa(rapid.IntRange(1, len(f)-1).Draw(t, "root"))] = true
		}
		for name, tree := range map[string]*lookup.Tree{
			"parent": lookup.ByParent(table, 0), "path": lookup.ByPath(table, 1, "/"), "range": lookup.ByRange(table, 2, 3),
		} {
			for node := 1; node < len(f); node++ {
				r, _ := table.Find(strconv.Itoa(node))
				parent, _, ok := tree.Parent(r)
				if ok != (f[node] != 0) || ok && table.Key(parent) != strconv.Itoa(f[node]) {
					t.Fatalf("%s: node %d of %v: parent %t %d", name, node, f, ok, parent)
				}
			}
			if got, want := slices.Sorted(tree.Below(roots)), slices.Sorted(maps.Keys(f.below(roots))); !slices.Equal(got, want) {
				t.Fatalf("%s: below %v in %v: got %v, want %v", name, roots, f, got, want)
			}
		}
	})
}

// What moved in a nested set is what has another parent, however many rows were
// numbered anew.
func TestMoved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := randomForest(t)
		table := f.table()
		tree := lookup.ByRange(table, 2, 3)
		before := tree.Parents()
		g := append(slices.Clone(f), 0) // a node more, and one elsewhere
		g[len(f)] = rapid.IntRange(0, len(f)-1).Draw(t, "parent of the new one")
		moved := rapid.IntRange(1, len(f)-1).Draw(t, "moved")
		g[moved] = rapid.IntRange(0, moved-1).Draw(t, "parent")
		after := g.table()
		for r := range after.All() {
			table.Put(after.Key(r), after.Values(r))
		}
		want := []string{strconv.Itoa(len(f))}
		if g[moved] != f[moved] {
			want = append(want, strconv.Itoa(moved))
		}
		got := slices.Sorted(tree.Moved(before))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%v to %v: moved %v, want %v", f, g, got, want)
		}
	})
}

// Parents whose keys have two columns are found by both.
func TestParentsOfTwoColumns(t *testing.T) {
	t.Parallel()
	table := lookup.New([]string{"tenant", "parent"})
	put := func(tenant, code string, parent cdc.Value) lookup.Ref {
		return table.Put(lookup.JoinKey(cdc.Text(tenant), cdc.Text(code)), []cdc.Value{cdc.Text(tenant), parent})
	}
	root, other := put("1", "A", cdc.Null), put("2", "A", cdc.Text("A"))
	below, lost, deep := put("1", "B", cdc.Text("A")), put("2", "B", cdc.Text("X")), put("1", "C", cdc.Text("B"))
	tree := lookup.ByParent(table, 0, 1)
	for r, want := range map[lookup.Ref]string{root: "", other: "", below: `["1","A"]`, lost: `lacks ["2","X"]`, deep: `["1","B"]`} {
		parent, key, ok := tree.Parent(r)
		got := ""
		if ok {
			got = table.Key(parent)
		} else if key != "" {
			got = "lacks " + key
		}
		if got != want {
			t.Errorf("above %s: %q, want %q", table.Key(r), got, want)
		}
	}
	got := slices.Sorted(tree.Below(map[string]bool{`["1","A"]`: true, `["2","X"]`: true}))
	if want := []string{`["1","A"]`, `["1","B"]`, `["1","C"]`, `["2","B"]`, `["2","X"]`}; !slices.Equal(got, want) {
		t.Errorf("below: %q, want %q", got, want)
	}
}

func TestParentThatIsNotThere(t *testing.T) {
	t.Parallel()
	table := lookup.New([]string{"parent", "path"})
	table.Put("3", []cdc.Value{cdc.Text("2"), cdc.Text("/1/2/")})
	table.Put("4", []cdc.Value{cdc.Text("4"), cdc.Text("//4")})
	for name, tree := range map[string]*lookup.Tree{"parent": lookup.ByParent(table, 0), "path": lookup.ByPath(table, 1, "/")} {
		for key, want := range map[string]string{"3": "2", "4": ""} {
			r, _ := table.Find(key)
			if _, got, ok := tree.Parent(r); ok || got != want {
				t.Errorf("%s: parent of %s: %t %q, want %q, which is not there", name, key, ok, got, want)
			}
		}
		if got := slices.Sorted(tree.Below(map[string]bool{"2": true})); !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("%s: below 2: %v", name, got)
		}
	}
}

func TestCircleEnds(t *testing.T) {
	t.Parallel()
	table := lookup.New([]string{"parent"})
	for i := range 5 {
		table.Put(strconv.Itoa(i), []cdc.Value{cdc.Text(strconv.Itoa((i + 1) % 5))})
	}
	got := slices.Sorted(lookup.ByParent(table, 0).Below(map[string]bool{"2": true}))
	if want := "0 1 2 3 4"; strings.Join(got, " ") != want {
		t.Errorf("below 2: %v, want %s", got, want)
	}
	if got := slices.Sorted(lookup.ByParent(table, 0).Below(map[string]bool{"9": true})); fmt.Sprint(got) != "[9]" {
		t.Errorf("below 9: %v", got)
	}
}
