package lookup

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// Tree is how the rows of a table stand below each other. It belongs to the
// table's goroutine, and follows what the table says.
type Tree struct {
	t *Table
	// columns hold the parent's key, or one the path; left and right the range of a nested set.
	columns     columnsOf
	left, right int
	separator   string
	b           []byte // scratch

	// parents are those of a nested set as of a version of the table: Refs plus one.
	parents []uint32
	version uint64
}

// ByParent returns the tree of a table of which some columns hold the parent's key:
// one for each column of the key.
func ByParent(t *Table, columns ...int) *Tree {
	return &Tree{t: t, columns: columns, left: -1}
}

// ByPath returns the tree of a table of which a column holds the keys of a row's
// ancestors from the root on, with or without its own at the end, each behind or
// before a separator.
func ByPath(t *Table, column int, separator string) *Tree {
	return &Tree{t: t, columns: columnsOf{column}, separator: separator, left: -1}
}

// ByRange returns the tree of a nested set: a row stands below those whose range
// encloses its own. Its parents are found anew whenever the table has changed,
// which takes a moment for each thousand rows.
func ByRange(t *Table, left, right int) *Tree {
	return &Tree{t: t, left: left, right: right}
}

// Nested reports whether t is that of a nested set.
func (t *Tree) Nested() bool { return t.left >= 0 }

// Parent returns the row above r. If it names one that is not there, ok is false
// and key is what it names, which is empty for a root.
func (t *Tree) Parent(r Ref) (parent Ref, key string, ok bool) {
	if t.Nested() {
		at := t.Parents()[r]
		return Ref(at - 1), "", at != 0
	}
	if len(t.columns) > 1 {
		return t.parentOfMany(r)
	}
	if key = t.parentKey(r); key == "" {
		return 0, "", false
	}
	parent, ok = t.t.Find(key)
	return parent, key, ok
}

// parentOfMany is Parent where several columns hold the parent's key. One that lacks
// a value names none.
func (t *Tree) parentOfMany(r Ref) (parent Ref, key string, ok bool) {
	t.b = t.b[:0]
	for _, column := range t.columns {
		v := t.t.Value(r, column)
		if v.IsNull() {
			return 0, "", false
		}
		t.b = AppendValue(t.b, v)
	}
	if string(t.b) == t.t.Key(r) {
		return 0, "", false // some systems let a root name itself
	}
	if parent, ok = t.t.FindBytes(t.b); ok {
		return parent, "", true
	}
	return 0, string(t.b), false
}

// parentKey is the key of the parent that r names, empty for a root.
func (t *Tree) parentKey(r Ref) string {
	text := t.t.Value(r, t.columns[0]).Text()
	own := t.t.Key(r)
	if t.separator == "" {
		if text == own {
			return "" // some systems let a root name itself
		}
		return text
	}
	for {
		text = strings.TrimSuffix(text, t.separator)
		if text == "" {
			return ""
		}
		last := text
		if i := strings.LastIndex(text, t.separator); i >= 0 {
			text, last = text[:i], text[i+len(t.separator):]
		} else {
			text = ""
		}
		if last != own && last != "" {
			return last
		}
	}
}

// Below yields the keys, and those of the rows that stand below one of them,
// whether that is there or not. The table must not be changed meanwhile.
func (t *Tree) Below(keys map[string]bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range keys {
			if !yield(key) {
				return
			}
		}
		known := make(map[Ref]bool)
		for r := range t.t.All() {
			if t.below(r, keys, known) && !keys[t.t.Key(r)] && !yield(t.t.Key(r)) {
				return
			}
		}
	}
}

// below reports whether r or a row above it is one of keys, and notes the answer
// for all that it comes past. What goes round in a circle is below nothing else.
func (t *Tree) below(r Ref, keys map[string]bool, known map[Ref]bool) bool {
	var passed []Ref
	answer := false
	for {
		if seen, ok := known[r]; ok {
			answer = answer || seen
			break
		}
		known[r] = false
		passed = append(passed, r)
		if keys[t.t.Key(r)] {
			answer = true
			break
		}
		parent, key, ok := t.Parent(r)
		if !ok {
			answer = keys[key]
			break
		}
		r = parent
	}
	for _, r := range passed {
		known[r] = answer
	}
	return answer
}

// Parents returns the parent of each row of a nested set by Ref, plus one, zero
// for none. A later change of the table leaves the result as it is.
func (t *Tree) Parents() []uint32 {
	if t.parents != nil && t.version == t.t.version {
		return t.parents
	}
	type span struct {
		ref         Ref
		left, right int64
	}
	var spans []span
	number := func(r Ref, column int) (int64, bool) {
		n, err := strconv.ParseInt(Key(cdc.TypeDecimal, t.t.Value(r, column).Text()), 10, 64)
		return n, err == nil
	}
	for r := range t.t.All() {
		left, ok := number(r, t.left)
		right, also := number(r, t.right)
		if ok && also && left < right {
			spans = append(spans, span{r, left, right})
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.left, b.left), cmp.Compare(b.right, a.right), cmp.Compare(a.ref, b.ref))
	})
	t.parents, t.version = make([]uint32, t.t.rows.len()), t.t.version
	var open []span
	for _, s := range spans {
		for len(open) > 0 && open[len(open)-1].right < s.right {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			t.parents[s.ref] = uint32(open[len(open)-1].ref) + 1
		}
		open = append(open, s)
	}
	return t.parents
}

// Moved yields the keys of rows whose parent is another than in before, which
// Parents returned earlier.
func (t *Tree) Moved(before []uint32) iter.Seq[string] {
	return func(yield func(string) bool) {
		now := t.Parents()
		for r := range t.t.All() {
			if (int(r) >= len(before) || before[r] != now[r]) && !yield(t.t.Key(r)) {
				return
			}
		}
	}
}
