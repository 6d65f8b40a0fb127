package mapping

import (
	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
)

// maxLevels bounds how high nearest and within climb: what is higher goes round in a circle.
const maxLevels = 100

// rowFunc finds a row of a lookup: NULL if nothing refers to one.
type rowFunc func(in input) (lookup.Ref, *failure)

// spelled is n as people know it, for reasons.
func (n *node) spelled() string { return string(n.canonical(nil)) }

// found compiles the column that n reads of a lookup's row.
func (b *builder) found(n *node) func(in input) (cdc.Value, *failure) {
	rows := b.lookups.tables[n.lookup.Table].Rows
	if rows == nil {
		return func(input) (cdc.Value, *failure) {
			return cdc.Null, failed("the rows of lookup " + n.lookup.Name + " are not at hand")
		}
	}
	row, column := b.row(n), rows.Column(n.column)
	return func(in input) (cdc.Value, *failure) {
		r, f := row(in)
		if f != nil {
			return cdc.Null, f
		}
		return present(rows.Value(r, column))
	}
}

// row compiles which row of a lookup n reads.
func (b *builder) row(n *node) rowFunc {
	start := b.referred(n)
	if n.op == opLookup {
		return start
	}
	return b.climb(n, start)
}

// referred compiles the row of a lookup that a reference names.
func (b *builder) referred(n *node) rowFunc {
	var key func(in input) (cdc.Value, *failure)
	var keyType cdc.Type
	switch ref := n.args[0]; ref.op {
	case opColumn:
		key, keyType = b.column(ref.text), b.table.Columns[b.table.Column(ref.text)].Type
	default:
		key, keyType = b.found(ref), b.lookups.typeOf(ref)
	}
	rows, lookups, l := b.lookups.tables[n.lookup.Table].Rows, b.lookups, n.lookup
	return func(in input) (lookup.Ref, *failure) {
		v, f := key(in)
		if f != nil {
			return 0, f
		}
		text := lookup.Key(keyType, v.Text())
		if r, ok := rows.Find(text); ok {
			if lookups.Looked != nil {
				lookups.Looked(l.Table, text)
			}
			return r, nil
		}
		return 0, lookups.missing(l, text)
	}
}

// missing is the failure for a row of a lookup that is not there.
func (l *Lookups) missing(of *Lookup, key string) *failure {
	if l.Missed != nil {
		l.Missed(of.Table, key)
	}
	switch {
	case of.Missing == MissingIsNull:
		return null
	case of.Missing == MissingRejects && !l.Unsettled:
		return failed("lookup " + of.Name + ": table " + of.Table.String() + " has no row " + shown(key))
	}
	return &failure{reason: "lookup " + of.Name + ": table " + of.Table.String() + " has no row " + shown(key) + " yet", unresolved: true}
}

// climb compiles the nearest row from start upwards for which n's condition is true.
func (b *builder) climb(n *node, start rowFunc) rowFunc {
	t := b.lookups.tables[n.lookup.Table]
	if t.Rows == nil {
		return start
	}
	inside := builder{table: t.Def, lookups: b.lookups, rows: t.Rows, kinds: b.kinds}
	holds, tree, lookups, l := inside.boolean(n.inner), b.lookups.Tree(n.lookup), b.lookups, n.lookup
	return func(in input) (lookup.Ref, *failure) {
		r, f := start(in)
		if f != nil {
			return 0, f
		}
		for range maxLevels {
			ok, f := holds(input{ref: r})
			switch {
			case f != nil && f != null:
				return 0, f
			case ok && f == nil:
				return r, nil
			}
			parent, key, there := tree.Parent(r)
			switch {
			case there:
				if r = parent; lookups.Looked != nil {
					lookups.Looked(l.Table, t.Rows.Key(r))
				}
			case key == "":
				return 0, null
			default:
				return 0, lookups.missing(l, key)
			}
		}
		return 0, failed("lookup " + l.Name + ": more than 100 rows stand above each other, as in a circle")
	}
}

// within compiles whether there is a row for which n's condition is true. Nothing
// is within NULL.
func (b *builder) within(n *node) boolFunc {
	if b.lookups.tables[n.lookup.Table].Rows == nil {
		return func(input) (bool, *failure) { return false, null }
	}
	start := b.referred(n)
	row := b.climb(n, start)
	return func(in input) (bool, *failure) {
		if _, f := start(in); f != nil {
			return false, f
		}
		_, f := row(in)
		if f == null {
			return false, nil
		}
		return f == nil, f
	}
}

// entryOf compiles an entry of a map: NULL if the map has none for the text.
func entryOf[T any](key textFunc, values map[string]T) func(input) (T, *failure) {
	return func(in input) (T, *failure) {
		var v T
		text, f := key(in)
		if f != nil {
			return v, f
		}
		v, ok := values[text]
		if !ok {
			return v, null
		}
		return v, nil
	}
}
