package mapping

import (
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/lookup"
)

// input is what an expression is evaluated over. It is passed by value, so that
// a Program has no state.
type input struct {
	row cdc.Row
	// ref is the row of a lookup that a condition inside nearest or within looks at.
	ref lookup.Ref
}

// The compiled forms of an expression, one for each kind.
type (
	numberFunc func(in input) (inventory.Quantity, *failure)
	textFunc   func(in input) (string, *failure)
	boolFunc   func(in input) (bool, *failure)
)

// builder compiles nodes that the checker has passed.
type builder struct {
	table   *cdc.Table
	lookups *Lookups
	// rows is set for a condition on rows of a lookup, whose columns are found in it.
	rows  *lookup.Table
	kinds map[*node]kind
	// zone is that of dates and times without one.
	zone *time.Location
	// locations, if not nil, are those that a rule may contribute to.
	locations map[string]bool
}

// column compiles the value of a column.
func (b *builder) column(name string) func(in input) (cdc.Value, *failure) {
	if b.rows == nil {
		i := b.table.Column(name)
		return func(in input) (cdc.Value, *failure) { return in.value(i, name) }
	}
	rows, i := b.rows, b.rows.Column(name)
	return func(in input) (cdc.Value, *failure) { return present(rows.Value(in.ref, i)) }
}

// present returns v, unless it is NULL.
func present(v cdc.Value) (cdc.Value, *failure) {
	if v.IsNull() {
		return v, null
	}
	return v, nil
}

// value returns column i of the row.
func (in input) value(i int, name string) (cdc.Value, *failure) {
	if i >= len(in.row) {
		return cdc.Value{}, failed("the row has no column " + name)
	}
	v := in.row[i]
	switch {
	case v.IsNull():
		return v, null
	case v.IsUnchanged():
		return v, failed("column " + name + " was not sent")
	}
	return v, nil
}

func (b *builder) number(n *node) numberFunc {
	switch n.op {
	case opColumn:
		return b.numberColumn(n)
	case opNumber:
		q := n.number
		return func(input) (inventory.Quantity, *failure) { return q, nil }
	case opNull:
		return func(input) (inventory.Quantity, *failure) { return 0, null }
	case opNegate:
		x := b.number(n.args[0])
		return func(in input) (inventory.Quantity, *failure) {
			q, f := x(in)
			return -q, f
		}
	case opIf:
		return chosen(b.boolean(n.args[0]), b.number(n.args[1]), b.number(n.args[2]))
	case opCoalesce:
		return numberFunc(firstOf(b.numbers(n.args)))
	case opCall:
		return n.function.number(b, n)
	case opLookup, opNearest:
		return numberOf(b.found(n), n.spelled())
	case opMap:
		values, _ := n.staticMap.numbers()
		return entryOf(b.asText(n.args[0]), values)
	default:
		return b.arithmetic(n)
	}
}

func (b *builder) numbers(list []*node) []func(input) (inventory.Quantity, *failure) {
	out := make([]func(input) (inventory.Quantity, *failure), len(list))
	for i, a := range list {
		out[i] = b.number(a)
	}
	return out
}

func (b *builder) numberColumn(n *node) numberFunc {
	return numberOf(b.column(n.text), "column "+n.text)
}

// numberOf reads a value, which name stands for, as a number.
func numberOf(value func(in input) (cdc.Value, *failure), name string) numberFunc {
	return func(in input) (inventory.Quantity, *failure) {
		v, f := value(in)
		if f != nil {
			return 0, f
		}
		q, f := parseNumber(v.Text())
		if f != nil {
			return 0, failed(name + ": " + f.reason)
		}
		return q, nil
	}
}

func (b *builder) arithmetic(n *node) numberFunc {
	x, y := b.number(n.args[0]), b.number(n.args[1])
	var operate func(a, b inventory.Quantity) (inventory.Quantity, *failure)
	switch n.op {
	case opAdd:
		operate = add
	case opSubtract:
		operate = func(a, b inventory.Quantity) (inventory.Quantity, *failure) { return add(a, -b) }
	case opMultiply:
		operate = multiply
	case opDivide:
		operate = divide
	default:
		operate = remainder
	}
	return func(in input) (inventory.Quantity, *failure) {
		l, f := x(in)
		if f != nil && f != null {
			return 0, f
		}
		r, g := y(in)
		switch {
		case g != nil:
			return 0, g
		case f != nil:
			return 0, f
		}
		return operate(l, r)
	}
}

// chosen evaluates yes if the condition is true and no if it is false or NULL.
func chosen[T any, F ~func(input) (T, *failure)](condition boolFunc, yes, no F) F {
	return func(in input) (T, *failure) {
		c, f := condition(in)
		switch {
		case f != nil && f != null:
			var zero T
			return zero, f
		case c && f == nil:
			return yes(in)
		}
		return no(in)
	}
}

// firstOf returns the first value of list that is not NULL.
func firstOf[T any](list []func(input) (T, *failure)) func(input) (T, *failure) {
	return func(in input) (v T, f *failure) {
		for _, x := range list {
			if v, f = x(in); f != null {
				return v, f
			}
		}
		return v, f
	}
}
