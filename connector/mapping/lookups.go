package mapping

import (
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
	// Spelled, if not nil, is told of every part number that partno brings into the
	// form key, as it was written but for capitals, width and kinds of dashes.
	Spelled func(key, spelled string)

	tables map[cdc.TableName]*LookupTable
	trees  map[treeName]*lookup.Tree
}

// LookupTable is one reference table.
type LookupTable struct {
	// Def is the table in the source. Its key must be one column.
	Def *cdc.Table
	// Rows are the table's rows by the texts of their keys as lookup.Key makes them.
	// They have the columns that mappings name, those of trees included. It may be nil
	// where programs are bound to find their errors, and map nothing.
	Rows *lookup.Table
}

// treeName is what tells trees apart.
type treeName struct {
	table cdc.TableName
	tree  Tree
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
	name := treeName{of.Table, of.Tree}
	if t := l.trees[name]; t != nil {
		return t
	}
	rows, tree := l.tables[of.Table].Rows, &of.Tree
	var t *lookup.Tree
	switch {
	case tree.Parent != "":
		t = lookup.ByParent(rows, rows.Column(tree.Parent))
	case tree.Path != "":
		t = lookup.ByPath(rows, rows.Column(tree.Path), tree.separator())
	default:
		t = lookup.ByRange(rows, rows.Column(tree.Left), rows.Column(tree.Right))
	}
	l.trees[name] = t
	return t
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
		if n.op == opWithin {
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
	if n.op == opWithin {
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
	if _, f := c.kindOf(n.args[0]); f != nil {
		return f
	}
	var key []string
	for _, i := range def.Key {
		key = append(key, def.Columns[i].Name)
	}
	switch {
	case len(key) != 1:
		return faultAt(n.at, "lookup %s finds rows by one column, and the key of table %s is (%s)", n.lookup.Name, def.Name, listNames("", key))
	case n.lookup.Key != "" && n.lookup.Key != key[0]:
		return faultAt(n.at, "lookup %s finds rows by %s, and the key of table %s is %s", n.lookup.Name, n.lookup.Key, def.Name, key[0])
	}
	is, wanted := c.typeOf(n.args[0]), def.Columns[def.Key[0]].Type
	if !lookup.Comparable(is, wanted) {
		return faultAt(n.args[0].at, "is %s, and the key %s of table %s is %s: no value of one is a value of the other", is, key[0], def.Name, wanted)
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
	if n.op == opLookup {
		return nil
	}
	for _, column := range n.lookup.Tree.columns() {
		if def.Column(column) < 0 {
			return n.lacks(n.at, def, column)
		}
	}
	parent := n.lookup.Tree.Parent
	if parent == "" {
		return nil
	}
	if is, wanted := def.Columns[def.Column(parent)].Type, def.Columns[def.Key[0]].Type; !lookup.Comparable(is, wanted) {
		return faultAt(n.at, "the parent %s of lookup %s is %s, and the key of table %s is %s", parent, n.lookup.Name, is, def.Name, wanted)
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
