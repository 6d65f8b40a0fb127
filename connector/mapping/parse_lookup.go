package mapping

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

// How lookups are written, for errors.
const (
	lookupUsage  = "product[product_id].part_no"
	nearestUsage = "nearest(location[location_id], usage == 'view').name"
	withinUsage  = "within(location[location_id], name == 'Scrap')"
	existsUsage  = "exists(variant[product_id])"
)

// member reads what has a dot or brackets: a column of a lookup's row, an entry of
// a map, a constant.
func (r *reader) member(a *ast.MemberNode, depth int) (*node, *fault) {
	name, dotted := r.dotted(a)
	switch inner := a.Node.(type) {
	case *ast.IdentifierNode:
		switch {
		case dotted && inner.Value == constants:
			return r.constant(inner, name)
		case dotted:
			return nil, faultAt(inner.Location().From, "a column is written without its table; "+
				"a name with a dot in it is written in backticks, as `%s.%s`", inner.Value, name)
		}
		return r.entry(inner, a.Property, depth)
	case *ast.MemberNode:
		table, named := inner.Node.(*ast.IdentifierNode)
		if _, qualified := r.dotted(inner); named && dotted && qualified {
			return nil, faultAt(table.Location().From, "a column is written without its schema and table: %s", name)
		} else if named && dotted {
			return r.lookup(table, inner.Property, name, depth)
		}
	case *ast.CallNode:
		if callee, ok := inner.Callee.(*ast.IdentifierNode); ok && callee.Value == "nearest" && dotted {
			return r.climb(inner, callee.Value, name, depth)
		}
	}
	return nil, faultAt(a.Location().From, "dots and brackets are not in the language here; a lookup is written %s", lookupUsage)
}

// dotted returns the name behind a dot, or in quotes between brackets, which the
// parser takes for the same. One in backticks is a column.
func (r *reader) dotted(a *ast.MemberNode) (string, bool) {
	name, ok := a.Property.(*ast.StringNode)
	if !ok {
		return "", false
	}
	at := name.Location().From
	return name.Value, at >= len(r.source) || r.source[at] != '`'
}

func (r *reader) constant(a *ast.IdentifierNode, name string) (*node, *fault) {
	at := a.Location().From
	k := r.vocabulary.constant(name)
	if k == nil {
		names := r.vocabulary.constantNames()
		if len(names) == 0 {
			return nil, faultAt(at, "no constants are configured: %s.%s is what the source says under constants", constants, name)
		}
		return nil, faultAt(at, "there is no constant %s; there are %s", name, listNames(constants+"."+name, names))
	}
	return k.literal(at), nil
}

// entry reads zone[bin_type].
func (r *reader) entry(a *ast.IdentifierNode, key ast.Node, depth int) (*node, *fault) {
	at := a.Location().From
	m := r.vocabulary.staticMap(a.Value)
	switch {
	case m == nil && r.vocabulary.lookup(a.Value) != nil:
		return nil, faultAt(at, "say which column of the other row is meant, as in %s", lookupUsage)
	case m == nil:
		return nil, r.vocabulary.unnamed(at, a.Value, a.Value+"[...]")
	}
	args, f := r.list([]ast.Node{key}, depth)
	if f != nil {
		return nil, f
	}
	return &node{op: opMap, at: at, text: a.Value, staticMap: m, args: args}, nil
}

// lookup reads product[product_id].part_no.
func (r *reader) lookup(a *ast.IdentifierNode, key ast.Node, column string, depth int) (*node, *fault) {
	at := a.Location().From
	l := r.vocabulary.lookup(a.Value)
	switch {
	case l == nil && r.vocabulary.staticMap(a.Value) != nil:
		return nil, faultAt(at, "%s is a map, which has no columns: write %s[...]", a.Value, a.Value)
	case l == nil:
		return nil, r.vocabulary.unnamed(at, a.Value, a.Value+"[...]."+column)
	}
	if f := l.names(at, column); f != nil {
		return nil, f
	}
	args, f := r.key(key, depth)
	if f != nil {
		return nil, f
	}
	return &node{op: opLookup, at: at, text: a.Value, lookup: l, column: column, args: args}, nil
}

// key reads what names a row of a lookup: what stands between the brackets.
func (r *reader) key(key ast.Node, depth int) ([]*node, *fault) {
	list := []ast.Node{key}
	if several, ok := key.(*ast.ArrayNode); ok && len(several.Nodes) > 0 {
		list = several.Nodes
	}
	args, f := r.list(list, depth)
	if f != nil {
		return nil, f
	}
	refers := false
	for _, n := range args {
		switch {
		case n.isReference():
			refers = true
		case len(args) > 1 && (n.op == opText || n.op == opNumber || n.op == opBool || n.op == opNull):
		default:
			return nil, faultAt(n.at, "the key of a lookup must be a column as it is, of the row or of another lookup: "+
				"the rows that refer to another are found by it when that row changes")
		}
	}
	if !refers {
		return nil, faultAt(args[0].at, "the key of a lookup names no column, of the row or of another lookup")
	}
	return args, nil
}

// isReference reports whether n is a column as it is: the rows that refer to
// another must be found by one when that changes.
func (n *node) isReference() bool {
	return n.op == opColumn || n.op == opLookup || n.op == opNearest
}

// names refuses a column that the configuration does not list, if it lists any.
func (l *Lookup) names(at int, column string) *fault {
	if len(l.Columns) == 0 || containsName(l.Columns, column) {
		return nil
	}
	return faultAt(at, "lookup %s lists no column %s; it lists %s", l.Name, column, listNames(column, l.Columns))
}

func containsName(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// climb reads nearest(location[location_id], condition), of which column is
// wanted, and within(location[location_id], condition).
func (r *reader) climb(a *ast.CallNode, name, column string, depth int) (*node, *fault) {
	at, usage := a.Callee.Location().From, map[string]string{"nearest": nearestUsage, "within": withinUsage}[name]
	if name == "nearest" && column == "" {
		return nil, faultAt(at, "say which column of the nearest row is meant, as in %s", usage)
	}
	if len(a.Arguments) != 2 {
		return nil, faultAt(at, "%s is called as %s", name, usage)
	}
	table, l, key, f := r.rowOf(a.Arguments[0], name, usage, depth)
	switch {
	case f != nil:
		return nil, f
	case l.Tree.none():
		return nil, faultAt(table.Location().From, "lookup %s has no parent, path or nested_set, so that nothing stands above its rows", l.Name)
	}
	inner, f := r.read(a.Arguments[1], depth+1)
	if f != nil {
		return nil, f
	}
	n := &node{op: opWithin, at: at, text: table.Value, lookup: l, column: column, args: key, inner: inner}
	if name == "nearest" {
		n.op = opNearest
	}
	return n, n.innerFault()
}

// rowOf reads the row of a lookup that a function is about.
func (r *reader) rowOf(a ast.Node, name, usage string, depth int) (*ast.IdentifierNode, *Lookup, []*node, *fault) {
	start, ok := a.(*ast.MemberNode)
	table, named := (*ast.IdentifierNode)(nil), false
	if ok {
		table, named = start.Node.(*ast.IdentifierNode)
	}
	if !named {
		return nil, nil, nil, faultAt(a.Location().From, "%s begins at a row of a lookup: %s", name, usage)
	}
	l := r.vocabulary.lookup(table.Value)
	if l == nil {
		return nil, nil, nil, r.vocabulary.unnamed(table.Location().From, table.Value, table.Value+"[...]")
	}
	key, f := r.key(start.Property, depth+1)
	return table, l, key, f
}

// exists reads exists(variant[product_id]).
func (r *reader) exists(a *ast.CallNode, depth int) (*node, *fault) {
	at := a.Callee.Location().From
	if len(a.Arguments) != 1 {
		return nil, faultAt(at, "exists is called as %s", existsUsage)
	}
	table, l, key, f := r.rowOf(a.Arguments[0], "exists", existsUsage, depth)
	if f != nil {
		return nil, f
	}
	return &node{op: opExists, at: at, text: table.Value, lookup: l, args: key}, nil
}

// innerFault checks what a condition on rows of a lookup may name.
func (n *node) innerFault() *fault {
	var f *fault
	if n.op == opNearest {
		f = n.lookup.names(n.at, n.column)
	}
	n.inner.walk(func(a *node) {
		switch a.op {
		case opLookup, opNearest, opWithin, opExists:
			f = faultAt(a.at, "a condition inside %s looks at columns of lookup %s only", n.op.climbs(), n.lookup.Name)
		case opColumn:
			if wrong := n.lookup.names(a.at, a.text); wrong != nil {
				f = wrong
			}
		default:
		}
	})
	return f
}

// climbs is the name of the function that an op stands for.
func (o op) climbs() string {
	if o == opNearest {
		return "nearest"
	}
	return "within"
}

// appendMember appends the spelling of a column of a lookup's row.
func appendMember(b []byte, column string) []byte {
	if plainIdentifier(column) && !strings.Contains(reserved, " "+column+" ") {
		return append(append(b, '.'), column...)
	}
	b = appendTextLiteral(append(b, '['), column)
	return append(b, ']')
}
