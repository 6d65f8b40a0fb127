package connector

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/lookup"
	"tailstock/connector/mapping"
)

// lookups are the reference tables of one run: read when it begins, and kept by
// the stream from there. They belong to the goroutine that takes the stream.
//
// They are read as of now, while the stream may be far behind: where it has
// delivered all that was seen, they are exact, for its last word on a row is then
// what was read, or newer. Before that, rows are mapped by what lies ahead of them,
// which the changes that come until then set right: each of those counts as a
// change of every column, so that the rows which it concerns are derived again once
// the tables are exact.
type lookups struct {
	mappings []*mapping.Mapping
	set      *mapping.Lookups
	tables   map[cdc.TableName]*keptTableRows
	// uses are the ways by which values of the tables reach mapped rows.
	uses []use
	// missed are rows that were looked for in vain. A row that arrives and was never
	// missed changes nothing. Nil if that is not known, as of what earlier runs missed.
	missed map[missedRow]bool
	// traceless are tables whose rows may be missed without a trace in the log: what
	// earlier runs missed of them is not known.
	traceless map[cdc.TableName]bool
	// recalled says that there were runs before which missed rows.
	recalled bool
	// settled says that the tables are exact.
	settled bool
}

// use is a way from rows of a mapped table to a value of another.
type use struct {
	table string
	ref   mapping.Reference
}

type missedRow struct {
	table cdc.TableName
	key   string
}

// keptTableRows is one reference table in memory.
type keptTableRows struct {
	*mapping.LookupTable
	name    cdc.TableName
	columns []string
	// indexed are those of columns by which rows are found that refer to other tables'
	// rows, grouped those by which it is asked whether there is a row.
	indexed [][]string
	grouped [][]string
	// at has the place of each of columns in Def.
	at []int
	// views are those that the rows were read in, until the tables are exact.
	views []backfill.View
	// changed is what the commit at hand did.
	changed map[string]uint64
	emptied bool
	groups  []*keptGroup
	// nested are the parents in each nested set as of before the commit.
	nested []nestedBefore
}

// keptGroup is a group of a table's rows, and what the commit at hand did to it.
type keptGroup struct {
	*lookup.Group
	// ofKey are the places of its columns in the table's key, nil if that lacks one.
	ofKey []int
	// had says of each key that was touched whether there was a row with it.
	had map[string]bool
	// unsure says that keys were touched which are not known: the tables are not exact,
	// and what a row had before the change is lost.
	unsure bool
}

type nestedBefore struct {
	tree    *lookup.Tree
	parents []uint32
}

// newLookups returns the lookups that mappings name, which are still to be read;
// nil if they name none.
func newLookups(mappings []*mapping.Mapping) *lookups {
	l := &lookups{mappings: mappings, tables: make(map[cdc.TableName]*keptTableRows), traceless: make(map[cdc.TableName]bool)}
	for name, columns := range lookupColumns(mappings) {
		l.tables[name] = &keptTableRows{name: name, columns: columns}
	}
	if len(l.tables) == 0 {
		return nil
	}
	for _, m := range mappings {
		for _, k := range m.Lookups() {
			l.traceless[k.Table] = l.traceless[k.Table] || k.Missing != mapping.MissingWaits
		}
		for _, r := range m.References() {
			l.uses = append(l.uses, use{m.Table().String(), r})
			for _, h := range r.Hops[:len(r.Hops)-1] {
				t := l.tables[h.Lookup.Table]
				t.indexed = append(t.indexed, h.Columns)
			}
			if h := r.Hops[len(r.Hops)-1]; h.Exists && len(h.Columns) > 0 {
				t := l.tables[h.Lookup.Table]
				t.grouped = append(t.grouped, h.Columns)
			}
		}
	}
	return l
}

// lookupColumns are the columns that mappings read of lookups, by table.
func lookupColumns(mappings []*mapping.Mapping) map[cdc.TableName][]string {
	columns := make(map[cdc.TableName][]string)
	for _, m := range mappings {
		m.LookupColumns(columns)
	}
	return columns
}

// names lists the tables.
func (l *lookups) names() []cdc.TableName {
	return slices.SortedFunc(maps.Keys(l.tables), func(a, b cdc.TableName) int { return strings.Compare(a.String(), b.String()) })
}

// has reports whether t is one of the tables.
func (l *lookups) has(t *cdc.Table) bool { return l != nil && l.tables[t.Name] != nil }

// exact reports whether what is mapped now is mapped by what the source held then.
func (l *lookups) exact() bool { return l == nil || l.settled }

// begin takes a table as its first chunk has it.
func (t *keptTableRows) begin(def *cdc.Table) error {
	t.at = t.at[:0]
	for _, c := range t.columns {
		i := def.Column(c)
		if i < 0 {
			return fmt.Errorf("table %s has no column %s", t.name, c)
		}
		t.at = append(t.at, i)
	}
	t.LookupTable = &mapping.LookupTable{Def: def, Rows: lookup.New(t.columns)}
	for _, columns := range t.indexed {
		t.Rows.Index(t.places(columns)...)
	}
	t.groups = nil
	for _, columns := range t.grouped {
		t.group(columns)
	}
	t.views = nil
	return nil
}

// places are those of columns in the rows.
func (t *keptTableRows) places(columns []string) []int {
	out := make([]int, len(columns))
	for i, c := range columns {
		out[i] = t.Rows.Column(c)
	}
	return out
}

// group keeps the group of some columns, unless they are the table's key.
func (t *keptTableRows) group(columns []string) {
	g := &keptGroup{Group: nil, ofKey: []int{}}
	for _, c := range columns {
		if i := slices.Index(t.Def.Key, t.Def.Column(c)); i >= 0 && g.ofKey != nil {
			g.ofKey = append(g.ofKey, i)
		} else {
			g.ofKey = nil
		}
	}
	if len(g.ofKey) == len(t.Def.Key) && slices.IsSorted(g.ofKey) || t.groupOf(columns) != nil {
		return
	}
	g.Group = t.Rows.Group(t.places(columns)...)
	t.groups = append(t.groups, g)
}

// groupOf returns the group of some columns, nil if there is none.
func (t *keptTableRows) groupOf(columns []string) *keptGroup {
	places := t.places(columns)
	for _, g := range t.groups {
		if slices.Equal(g.Columns(), places) {
			return g
		}
	}
	return nil
}

// add takes a chunk of the table.
func (t *keptTableRows) add(c *backfill.Chunk) error {
	if t.LookupTable == nil {
		if err := t.begin(c.Table); err != nil {
			return err
		}
	}
	if t.Def != c.Table {
		return fmt.Errorf("table %s was altered while it was read", t.name)
	}
	t.views = append(t.views, c.View)
	values := make([]cdc.Value, len(t.at))
	for _, row := range c.Rows {
		if key, ok := t.keyOf(row); ok {
			t.Rows.Put(key, t.pick(row, values))
		}
	}
	return nil
}

// pick puts the columns that are kept of row into values.
func (t *keptTableRows) pick(row cdc.Row, values []cdc.Value) []cdc.Value {
	for i, at := range t.at {
		if values[i] = row[at]; t.Def.Columns[at].Type == cdc.TypeDecimal && !row[at].IsNull() {
			values[i] = cdc.Text(lookup.Key(cdc.TypeDecimal, row[at].Text())) // it may refer to a row
		}
	}
	return values
}

// keyOf is the key of a row of the table, false if no row of another table can name
// it: it is too long, or not UTF-8. A row that counts in a group has one all the same.
func (t *keptTableRows) keyOf(row cdc.Row) (string, bool) {
	texts := make([]string, len(t.Def.Key))
	for i, column := range t.Def.Key {
		texts[i] = row[column].Text()
	}
	if key, ok := t.joined(texts); ok {
		return key, true
	}
	key, err := t.Def.KeyOf(row)
	return longMark + string(key), err == nil && len(t.groups) > 0
}

// joined is the key that the texts of the key's columns make up, false if it is too
// long, or not UTF-8.
func (t *keptTableRows) joined(texts []string) (string, bool) {
	length := 0
	values := make([]cdc.Value, len(texts))
	for i, text := range texts {
		if length += len(text); length > longestKey || !utf8.ValidString(text) {
			return "", false
		}
		values[i] = cdc.Text(lookup.Key(t.Def.Columns[t.Def.Key[i]].Type, text))
	}
	return lookup.JoinKey(values...), true
}

// longMark stands before the keys of rows that no other row can name.
const longMark = "\x00"

// longestKey is the longest key that is not hashed, however its text is written.
const longestKey = cdc.MaxRowKey / 8

// bound has the tables ready, so that mappings can be bound to them.
func (l *lookups) bound() {
	var list []*mapping.LookupTable
	for _, t := range l.tables {
		list = append(list, t.LookupTable)
	}
	l.set = mapping.NewLookups(list...)
	l.set.Unsettled = true
	l.set.Missed = l.miss
}

// miss notes that a row was looked for in vain.
func (l *lookups) miss(table cdc.TableName, key string) {
	if l.missed == nil || l.missed[missedRow{table, key}] {
		return
	}
	// The key may be cut out of much more text, which would stay in memory with it.
	if l.missed[missedRow{table, strings.Clone(key)}] = true; len(l.missed) > maxMissed {
		l.missed = nil
	}
}

const (
	// maxMissed bounds the rows that are remembered as missed, keptMissed those that
	// are kept for the next run. Beyond it every row that arrives may have been.
	maxMissed  = 100_000
	keptMissed = 1_000
)

// keepMissed is what is kept of the rows that were missed, nil if that is not known.
func (l *lookups) keepMissed() *[][2]string {
	if l == nil || l.missed == nil || len(l.missed) > keptMissed {
		return nil
	}
	out := make([][2]string, 0, len(l.missed))
	for m := range l.missed {
		out = append(out, [2]string{m.table.String(), m.key})
	}
	slices.SortFunc(out, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return &out
}

// recall takes what an earlier run kept.
func (l *lookups) recall(kept *[][2]string) {
	if kept == nil {
		return
	}
	l.missed = make(map[missedRow]bool)
	for _, m := range *kept {
		l.missed[missedRow{cdc.ParseTableName(m[0]), m[1]}] = true
	}
	l.recalled = true
}

// settle notes that the stream has delivered everything up to r. Once it has
// reached all chunks, the tables are exact.
func (l *lookups) settle(r cdc.Resume) {
	for _, t := range l.tables {
		for _, v := range t.views {
			if !v.Reached(r) {
				return
			}
		}
	}
	for _, t := range l.tables {
		t.views = nil
	}
	l.settled, l.set.Unsettled = true, false
}

// errLookupAltered ends a run whose lookups must be read anew.
var errLookupAltered = fmt.Errorf("%w: a lookup's table was altered", errCapturedChanged)

// apply takes what a transaction, or a part of one, did to the tables, and returns
// what must be derived again because of it.
func (l *lookups) apply(changes []cdc.NetChange) ([]inventory.Rederive, error) {
	touched := false
	for i := range changes {
		c := &changes[i]
		t := l.tables[c.Table.Name]
		if t == nil {
			continue
		}
		if !touched {
			l.before()
			touched = true
		}
		if err := l.applyOne(t, c); err != nil {
			return nil, err
		}
	}
	if !touched {
		return nil, nil
	}
	return l.consequences(), nil
}

// before begins to note what a commit does.
func (l *lookups) before() {
	for _, t := range l.tables {
		t.changed, t.emptied, t.nested = make(map[string]uint64), false, nil
		for _, g := range t.groups {
			g.had, g.unsure = make(map[string]bool), false
		}
	}
	for _, u := range l.uses {
		for i := range u.ref.Hops {
			h := &u.ref.Hops[i]
			tree := l.nestedOf(h)
			t := l.tables[h.Lookup.Table]
			if tree != nil && !slices.ContainsFunc(t.nested, func(n nestedBefore) bool { return n.tree == tree }) {
				t.nested = append(t.nested, nestedBefore{tree, tree.Parents()})
			}
		}
	}
}

// nestedOf is the nested set that a hop climbs in, nil if it climbs in none.
func (l *lookups) nestedOf(h *mapping.Hop) *lookup.Tree {
	if !h.Climbs {
		return nil
	}
	if tree := l.set.Tree(h.Lookup); tree.Nested() {
		return tree
	}
	return nil
}

func (l *lookups) applyOne(t *keptTableRows, c *cdc.NetChange) error {
	if c.Table != t.Def {
		if !sameColumns(t, c.Table) {
			return errLookupAltered
		}
		t.Def = c.Table
		for i, name := range t.columns {
			t.at[i] = c.Table.Column(name)
		}
	}
	if c.Op == cdc.OpTruncate {
		t.emptied = true
		t.Rows.Clear()
		return nil
	}
	key, ok := t.changedKey(c)
	if !ok {
		return nil // no row of another table can name it
	}
	var values []cdc.Value
	if c.After != nil {
		if !c.After.Complete() {
			return fmt.Errorf("table %s row %s: a column was not sent and not completed", c.Table.Name, c.Key)
		}
		values = t.pick(c.After, make([]cdc.Value, len(t.at)))
	}
	t.regroup(key, values, c.Created, l.settled)
	t.put(key, values, l.settled)
	return nil
}

// regroup notes what a change does to the groups, before it is made: values is what
// the row becomes, nil for none, and created that there was none before the commit.
func (t *keptTableRows) regroup(key string, values []cdc.Value, created, exact bool) {
	for _, g := range t.groups {
		if r, ok := t.Rows.Find(key); ok {
			g.touch(t.Rows.Values(r))
		}
		if values != nil {
			g.touch(values)
		}
		if !exact && !created {
			g.touchKey(key, len(t.Def.Key))
		}
	}
}

// touch notes that a row with values comes or goes.
func (g *keptGroup) touch(values []cdc.Value) {
	if key, ok := g.KeyOf(values); ok {
		g.note(key)
	}
}

// touchKey notes that a row goes of which only the key of the table is known, which
// has n columns.
func (g *keptGroup) touchKey(key string, n int) {
	values := lookup.SplitKey(key, n)
	if g.ofKey == nil || values == nil || strings.HasPrefix(key, longMark) {
		g.unsure = true
		return
	}
	of := make([]cdc.Value, len(g.ofKey))
	for i, at := range g.ofKey {
		of[i] = values[at]
	}
	g.note(lookup.JoinKey(of...))
}

func (g *keptGroup) note(key string) {
	if _, noted := g.had[key]; !noted {
		g.had[key] = g.Has(key)
	}
}

// sameColumns reports whether the table has its key and the kept columns as before.
func sameColumns(t *keptTableRows, def *cdc.Table) bool {
	if len(def.Key) != len(t.Def.Key) {
		return false
	}
	for i := range def.Key {
		if is, was := &def.Columns[def.Key[i]], &t.Def.Columns[t.Def.Key[i]]; is.Name != was.Name || is.Type != was.Type {
			return false
		}
	}
	for i, name := range t.columns {
		at := def.Column(name)
		if at < 0 || def.Columns[at].Type != t.Def.Columns[t.at[i]].Type {
			return false
		}
	}
	return true
}

// changedKey is keyOf for the row that c is about.
func (t *keptTableRows) changedKey(c *cdc.NetChange) (string, bool) {
	if c.After != nil {
		return t.keyOf(c.After)
	}
	var values []any
	d := json.NewDecoder(strings.NewReader(string(c.Key)))
	d.UseNumber()
	if err := d.Decode(&values); err == nil && len(values) == len(t.Def.Key) {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = fmt.Sprint(v)
		}
		if key, ok := t.joined(texts); ok {
			return key, true
		}
	}
	return longMark + string(c.Key), len(t.groups) > 0
}

// put makes values what a row is, nil for none, and notes which columns changed.
func (t *keptTableRows) put(key string, values []cdc.Value, exact bool) {
	r, there := t.Rows.Find(key)
	differs := everyColumn | left
	switch {
	case !exact:
	case !there && values == nil:
		return
	case there && values != nil:
		if differs = t.difference(r, values); differs == 0 {
			return
		}
	case !there:
		differs = everyColumn | arrived
	}
	t.changed[key] = differs
	if values == nil {
		t.Rows.Delete(key)
		return
	}
	t.Rows.Put(key, values)
}

// difference has a bit for each column in which a row is not as values say.
func (t *keptTableRows) difference(r lookup.Ref, values []cdc.Value) (bits uint64) {
	for i, v := range values {
		if t.Rows.Value(r, i) != v {
			bits |= columnBit(i)
		}
	}
	return bits
}

const (
	everyColumn = uint64(1)<<62 - 1
	// left says that the row is not there any more, or may not have been before.
	left = uint64(1) << 62
	// arrived says that the row was not there before.
	arrived = uint64(1) << 63
)

// columnBit stands for a column. The last one stands for all beyond.
func columnBit(i int) uint64 { return 1 << min(i, 61) }
