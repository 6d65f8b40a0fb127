package mapping

import (
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
)

// Lookups are the reference tables that programs read, as they stand in memory.
// Programs that were bound to them see every later change of their rows. They
// belong to the goroutine that changes and maps rows.
type Lookups struct {
	// Unsettled says that the tables are not exact yet: until they are, no row is
	// rejected for want of another.
	Unsettled bool
	// Missed, if not nil, is told of every row that is looked for and is not there.
	Missed func(table cdc.TableName, key string)
	// Looked, if not nil, is told of every row that is looked at.
	Looked func(table cdc.TableName, key string)
	// Asked, if not nil, is told of every key by which it is asked whether a lookup,
	// which has columns of its own to find rows by, has a row.
	Asked func(of *Lookup, key string)
	// Spelled, if not nil, is told of every part number that partno brings into the
	// form key, as it was written but for capitals, width and kinds of dashes. It returns
	// another part number that has become the same, empty for none. If it must know what
	// the part number belongs to, it returns false, and is called again with that as holder.
	Spelled func(key, spelled, holder string) (other string, known bool)

	tables map[cdc.TableName]*LookupTable
	trees  map[treeName]*lookup.Tree
}

// LookupTable is one reference table.
type LookupTable struct {
	// Def is the table in the source.
	Def *cdc.Table
	// Rows are the table's rows by their keys as lookup.JoinKey makes them of texts that
	// lookup.Key has passed, as it has those of other columns that may refer to rows.
	// They have the columns that mappings name, those of trees included. It may be nil
	// where programs are bound to find their errors, and map nothing.
	Rows *lookup.Table
}

// treeName is what tells trees apart.
type treeName struct {
	table cdc.TableName
	tree  string
}

// NewLookups returns Lookups of the given tables.
func NewLookups(tables ...*LookupTable) *Lookups {
	l := &Lookups{tables: make(map[cdc.TableName]*LookupTable), trees: make(map[treeName]*lookup.Tree)}
	for _, t := range tables {
		l.tables[t.Def.Name] = t
	}
	return l
}

// Table returns a reference table, nil if it is not one.
func (l *Lookups) Table(name cdc.TableName) *LookupTable {
	if l == nil {
		return nil
	}
	return l.tables[name]
}

// Tree returns how the rows of a lookup stand below each other.
func (l *Lookups) Tree(of *Lookup) *lookup.Tree {
	name := treeName{of.Table, of.Tree.String()}
	if t := l.trees[name]; t != nil {
		return t
	}
	rows, tree := l.tables[of.Table].Rows, &of.Tree
	var t *lookup.Tree
	switch {
	case len(tree.Parent) > 0:
		t = lookup.ByParent(rows, places(rows, tree.Parent)...)
	case tree.Path != "":
		t = lookup.ByPath(rows, rows.Column(tree.Path), tree.separator())
	default:
		t = lookup.ByRange(rows, rows.Column(tree.Left), rows.Column(tree.Right))
	}
	l.trees[name] = t
	return t
}

// places are those of columns in rows.
func places(rows *lookup.Table, columns []string) []int {
	out := make([]int, len(columns))
	for i, name := range columns {
		out[i] = rows.Column(name)
	}
	return out
}

// Group returns what says whether a lookup that finds rows by columns of its own has
// a row, nil if it finds them by the table's key.
func (l *Lookups) Group(of *Lookup) *lookup.Group {
	t := l.tables[of.Table]
	if len(of.Key) == 0 || slices.Equal(of.Key, keyColumns(t.Def)) {
		return nil
	}
	return t.Rows.Group(places(t.Rows, of.Key)...)
}

// keyColumns are the names of the columns of a table's key.
func keyColumns(def *cdc.Table) []string {
	names := make([]string, len(def.Key))
	for i, at := range def.Key {
		names[i] = def.Columns[at].Name
	}
	return names
}

// typeOf is the type of the column that n reads of a lookup.
func (l *Lookups) typeOf(n *node) cdc.Type {
	def := l.tables[n.lookup.Table].Def
	return def.Columns[def.Column(n.column)].Type
}

// lookup finds the kind of what n reads of a lookup's row.
func (c *checker) lookup(n *node) (kind, *fault) {
	if c.table == nil {
		if f := c.insideOf(n, nil); f != nil {
			return 0, f
		}
		if n.op == opWithin || n.op == opExists {
			return kindBool, nil
		}
		return kindAny, nil
	}
	t := c.lookups.Table(n.lookup.Table)
	if t == nil {
		return 0, faultAt(n.at, "table %s of lookup %s cannot be read", n.lookup.Table, n.lookup.Name)
	}
	for _, check := range []func(*node, *cdc.Table) *fault{c.keyOf, c.treeOf, c.insideOf} {
		if f := check(n, t.Def); f != nil {
			return 0, f
		}
	}
	if n.op == opWithin || n.op == opExists {
		return kindBool, nil
	}
	i := t.Def.Column(n.column)
	if i < 0 {
		return 0, n.lacks(n.at, t.Def, n.column)
	}
	return kindOfType(t.Def.Columns[i].Type), nil
}

// lacks says that a lookup's table has no such column.
func (n *node) lacks(at int, def *cdc.Table, column string) *fault {
	names := make([]string, len(def.Columns))
	for i := range def.Columns {
		names[i] = def.Columns[i].Name
	}
	return faultAt(at, "table %s of lookup %s has no column %s; its columns are %s", def.Name, n.lookup.Name, column, listNames(column, names))
}

// keyOf checks what names the row of a lookup.
func (c *checker) keyOf(n *node, def *cdc.Table) *fault {
	columns, f := n.keyColumns(def)
	if f != nil {
		return f
	}
	for i, part := range n.args {
		if f := c.keyPart(n, part, def, &def.Columns[def.Column(columns[i])]); f != nil {
			return f
		}
	}
	return nil
}

// keyColumns are the columns of a lookup's table by which n finds rows.
func (n *node) keyColumns(def *cdc.Table) ([]string, *fault) {
	key, by := keyColumns(def), n.lookup.Key
	if len(by) == 0 {
		by = key
	}
	if n.op != opExists && !slices.Equal(by, key) {
		return nil, faultAt(n.at, "lookup %s finds rows by %s, and the key of table %s is %s: by other columns than the key, "+
			"in its order, one can only ask whether there is a row, as in %s",
			n.lookup.Name, inParentheses(by), def.Name, inParentheses(key), existsUsage)
	}
	for _, column := range by {
		if def.Column(column) < 0 {
			return nil, n.lacks(n.at, def, column)
		}
	}
	if len(n.args) != len(by) {
		return nil, faultAt(n.at, "lookup %s finds rows of table %s by %s: write one value for each, as in %s[%s]",
			n.lookup.Name, def.Name, inParentheses(by), n.lookup.Name, strings.Join(by, ", "))
	}
	return by, nil
}

// inParentheses lists columns, in parentheses if there are several.
func inParentheses(columns []string) string {
	if len(columns) == 1 {
		return columns[0]
	}
	return "(" + strings.Join(columns, ", ") + ")"
}

// keyPart checks what stands for one column of a lookup's key.
func (c *checker) keyPart(n, part *node, def *cdc.Table, column *cdc.Column) *fault {
	if _, f := c.kindOf(part); f != nil {
		return f
	}
	if part.isReference() {
		if is := c.typeOf(part); !lookup.Comparable(is, column.Type) {
			return faultAt(part.at, "is %s, and the key %s of table %s is %s: no value of one is a value of the other", is, column.Name, def.Name, column.Type)
		}
		return nil
	}
	var fits bool
	switch part.op {
	case opNull:
		fits = n.op == opExists
	case opNumber:
		fits = lookup.Comparable(cdc.TypeDecimal, column.Type)
	case opBool:
		fits = column.Type == cdc.TypeBool
	default:
		fits = kindOfType(column.Type) == kindText
	}
	if !fits {
		return faultAt(part.at, "%s is no value of the key %s of table %s, which is %s", part.canonical(nil), column.Name, def.Name, column.Type)
	}
	return nil
}

// typeOf is the type of the column that a reference is.
func (c *checker) typeOf(n *node) cdc.Type {
	if n.op == opColumn {
		return c.table.Columns[c.table.Column(n.text)].Type
	}
	return c.lookups.typeOf(n)
}

// treeOf checks the columns that say how the rows of a lookup stand.
func (c *checker) treeOf(n *node, def *cdc.Table) *fault {
	if n.op == opLookup || n.op == opExists {
		return nil
	}
	for _, column := range n.lookup.Tree.columns() {
		if def.Column(column) < 0 {
			return n.lacks(n.at, def, column)
		}
	}
	parent := n.lookup.Tree.Parent
	if len(parent) == 0 {
		if len(def.Key) == 1 {
			return nil
		}
		return faultAt(n.at, "the key of table %s is %s, of which neither a path nor a nested set says what stands above a row; "+
			"lookup %s needs a parent of as many columns", def.Name, inParentheses(keyColumns(def)), n.lookup.Name)
	}
	if len(parent) != len(def.Key) {
		return faultAt(n.at, "the parent %s of lookup %s names no row: the key of table %s is %s",
			inParentheses(parent), n.lookup.Name, def.Name, inParentheses(keyColumns(def)))
	}
	for i, at := range def.Key {
		is, key := def.Columns[def.Column(parent[i])].Type, &def.Columns[at]
		if !lookup.Comparable(is, key.Type) {
			return faultAt(n.at, "the parent %s of lookup %s is %s, and the key %s of table %s is %s",
				parent[i], n.lookup.Name, is, key.Name, def.Name, key.Type)
		}
	}
	return nil
}

// insideOf checks the condition on rows of a lookup, if there is one.
func (c *checker) insideOf(n *node, def *cdc.Table) *fault {
	if n.inner == nil {
		return nil
	}
	inside := checker{table: def, lookups: c.lookups, kinds: c.kinds}
	return inside.want(n.inner, kindBool)
}

// entry finds the kind of what a map gives.
func (c *checker) entry(n *node) (kind, *fault) {
	if _, f := c.kindOf(n.args[0]); f != nil {
		return 0, f
	}
	if _, ok := n.staticMap.numbers(); ok {
		return kindNumber, nil
	}
	return kindText, nil
}
