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
	rows, lookups, l := b.lookups.tables[n.lookup.Table].Rows, b.lookups, n.lookup
	if len(n.args) > 1 {
		return b.referredByMany(n)
	}
	key := b.keyPart(n.args[0])
	return func(in input) (lookup.Ref, *failure) {
		v, f := key(in)
		if f != nil {
			return 0, f
		}
		r, ok := rows.Find(v.Text())
		switch {
		case !ok:
			return 0, lookups.missing(l, v.Text())
		case lookups.Looked != nil:
			lookups.Looked(l.Table, v.Text())
		}
		return r, nil
	}
}

// referredByMany is referred for a key of several columns.
func (b *builder) referredByMany(n *node) rowFunc {
	rows, lookups, l := b.lookups.tables[n.lookup.Table].Rows, b.lookups, n.lookup
	key := b.key(n)
	return func(in input) (lookup.Ref, *failure) {
		text, f := key(in)
		if f != nil {
			return 0, f
		}
		r, ok := rows.FindBytes(text)
		switch {
		case !ok:
			return 0, lookups.missing(l, string(text))
		case lookups.Looked != nil:
			lookups.Looked(l.Table, string(text))
		}
		return r, nil
	}
}

// keyPart compiles what stands for one column of a lookup's key, as lookup.Key has it.
func (b *builder) keyPart(n *node) func(in input) (cdc.Value, *failure) {
	var value func(in input) (cdc.Value, *failure)
	var typ cdc.Type
	switch n.op {
	case opColumn:
		value, typ = b.column(n.text), b.table.Columns[b.table.Column(n.text)].Type
	case opLookup, opNearest:
		value, typ = b.found(n), b.lookups.typeOf(n)
	default:
		v := n.literalKey()
		return func(input) (cdc.Value, *failure) { return v, nil }
	}
	return func(in input) (cdc.Value, *failure) {
		v, f := value(in)
		if f != nil {
			return v, f
		}
		return cdc.Text(lookup.Key(typ, v.Text())), nil
	}
}

// literalKey is the value of a column that a literal stands for.
func (n *node) literalKey() cdc.Value {
	switch {
	case n.op == opNull:
		return cdc.Null
	case n.op == opNumber:
		return cdc.Text(n.number.String())
	case n.op == opBool && n.boolean:
		return cdc.Text("t")
	case n.op == opBool:
		return cdc.Text("f")
	}
	return cdc.Text(n.text)
}

// key compiles the key that a reference of several columns names, which is valid
// until the next call: NULL if one of what it refers by is. Like all that looks
// into lookups, it is for one goroutine.
func (b *builder) key(n *node) func(in input) ([]byte, *failure) {
	parts := make([]func(in input) (cdc.Value, *failure), len(n.args))
	for i, a := range n.args {
		parts[i] = b.keyPart(a)
	}
	var text []byte
	return func(in input) ([]byte, *failure) {
		text = text[:0]
		for _, part := range parts {
			v, f := part(in)
			if f != nil {
				return nil, f
			}
			if len(parts) == 1 {
				text = append(text, v.Text()...)
			} else {
				text = lookup.AppendValue(text, v)
			}
		}
		return text, nil
	}
}

// exists compiles whether a lookup has a row. What is NULL names none.
func (b *builder) exists(n *node) boolFunc {
	t, lookups, l := b.lookups.tables[n.lookup.Table], b.lookups, n.lookup
	if t.Rows == nil {
		return func(input) (bool, *failure) { return false, null }
	}
	key, group := b.key(n), lookups.Group(l)
	return func(in input) (bool, *failure) {
		text, f := key(in)
		switch {
		case f == null:
			return false, nil
		case f != nil:
			return false, f
		case group != nil:
			if lookups.Asked != nil {
				lookups.Asked(l, string(text))
			}
			return group.HasBytes(text), nil
		}
		_, ok := t.Rows.FindBytes(text)
		switch {
		case ok && lookups.Looked != nil:
			lookups.Looked(l.Table, string(text))
		case !ok && lookups.Missed != nil:
			lookups.Missed(l.Table, string(text))
		}
		return ok, nil
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
