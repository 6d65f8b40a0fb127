package mapping

import (
	"regexp"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

func (b *builder) boolean(n *node) boolFunc {
	switch n.op {
	case opColumn:
		return b.boolColumn(n)
	case opBool:
		v := n.boolean
		return func(input) (bool, *failure) { return v, nil }
	case opNull:
		return func(input) (bool, *failure) { return false, null }
	case opNot:
		x := b.boolean(n.args[0])
		return func(in input) (bool, *failure) {
			v, f := x(in)
			return !v, f
		}
	case opAnd:
		return either(b.boolean(n.args[0]), b.boolean(n.args[1]), false)
	case opOr:
		return either(b.boolean(n.args[0]), b.boolean(n.args[1]), true)
	case opIf:
		return chosen(b.boolean(n.args[0]), b.boolean(n.args[1]), b.boolean(n.args[2]))
	case opCoalesce:
		return boolFunc(firstOf(b.booleans(n.args)))
	case opContains:
		return b.textTest(n, strings.Contains)
	case opStartsWith:
		return b.textTest(n, strings.HasPrefix)
	case opEndsWith:
		return b.textTest(n, strings.HasSuffix)
	case opMatches:
		return matched(b.text(n.args[0]), n.pattern)
	case opIn:
		return b.in(n)
	case opLookup, opNearest:
		return boolOf(b.found(n), n.spelled())
	case opWithin:
		return b.within(n)
	case opExists:
		return b.exists(n)
	default:
		return b.comparison(n)
	}
}

func (b *builder) booleans(list []*node) []func(input) (bool, *failure) {
	out := make([]func(input) (bool, *failure), len(list))
	for i, a := range list {
		out[i] = b.boolean(a)
	}
	return out
}

func (b *builder) boolColumn(n *node) boolFunc { return boolOf(b.column(n.text), "column "+n.text) }

// boolOf reads a value, which name stands for, as a truth.
func boolOf(value func(in input) (cdc.Value, *failure), name string) boolFunc {
	return func(in input) (bool, *failure) {
		v, f := value(in)
		if f != nil {
			return false, f
		}
		switch v.Text() {
		case "t":
			return true, nil
		case "f":
			return false, nil
		}
		return false, failed(name + ": " + shown(v.Text()) + " is neither true nor false")
	}
}

// either is x and y if decisive is false, x or y if it is true, with NULL for
// unknown: one decisive operand decides, whatever the other. y is not evaluated
// if x decides.
func either(x, y boolFunc, decisive bool) boolFunc {
	return func(in input) (bool, *failure) {
		l, f := x(in)
		switch {
		case f == nil && l == decisive:
			return decisive, nil
		case f != nil && f != null:
			return false, f
		}
		r, g := y(in)
		switch {
		case g == nil && r == decisive:
			return decisive, nil
		case g != nil:
			return false, g
		}
		return r, f
	}
}

func (b *builder) textTest(n *node, test func(s, part string) bool) boolFunc {
	return paired(b.text(n.args[0]), b.text(n.args[1]), func(s, part string) (bool, *failure) {
		return test(s, part), nil
	})
}

// paired applies test to x and y, if neither is NULL.
func paired[T any, F ~func(input) (T, *failure)](x, y F, test func(a, b T) (bool, *failure)) boolFunc {
	return func(in input) (bool, *failure) {
		l, f := x(in)
		if f != nil && f != null {
			return false, f
		}
		r, g := y(in)
		switch {
		case g != nil:
			return false, g
		case f != nil:
			return false, f
		}
		return test(l, r)
	}
}

func matched(x textFunc, pattern *regexp.Regexp) boolFunc {
	return func(in input) (bool, *failure) {
		s, f := x(in)
		switch {
		case f != nil:
			return false, f
		case len(s) > maxMatched:
			return false, failed("a text is too long for matches: longer than 16 KiB")
		}
		return pattern.MatchString(s), nil
	}
}

func (b *builder) comparison(n *node) boolFunc {
	left, right := n.args[0], n.args[1]
	switch {
	case right.op == opNull:
		return b.isNull(left, n.op == opEqual)
	case left.op == opNull:
		return b.isNull(right, n.op == opEqual)
	}
	holds := orderTest(n.op)
	switch b.common(left, right) {
	case kindNumber:
		return paired(b.number(left), b.number(right), func(x, y inventory.Quantity) (bool, *failure) {
			order, f := compareNumbers(x, y)
			return f == nil && holds(order), f
		})
	case kindBool:
		equal := n.op == opEqual
		return paired(b.boolean(left), b.boolean(right), func(x, y bool) (bool, *failure) {
			return (x == y) == equal, nil
		})
	default:
		return b.textComparison(n)
	}
}

func (b *builder) textComparison(n *node) boolFunc {
	holds, equality := orderTest(n.op), n.op == opEqual
	if !equality && n.op != opNotEqual {
		return paired(b.text(n.args[0]), b.text(n.args[1]), func(x, y string) (bool, *failure) {
			return holds(strings.Compare(x, y)), nil
		})
	}
	return paired(b.text(n.args[0]), b.text(n.args[1]), func(x, y string) (bool, *failure) {
		return (x == y) == equality, nil
	})
}

// common returns the kind of two operands of which one may be NULL.
func (b *builder) common(x, y *node) kind {
	if k := b.kinds[x]; k != kindAny {
		return k
	}
	return b.kinds[y]
}

func orderTest(o op) func(order int) bool {
	switch o {
	case opEqual:
		return func(order int) bool { return order == 0 }
	case opNotEqual:
		return func(order int) bool { return order != 0 }
	case opLess:
		return func(order int) bool { return order < 0 }
	case opLessEqual:
		return func(order int) bool { return order <= 0 }
	case opGreater:
		return func(order int) bool { return order > 0 }
	default:
		return func(order int) bool { return order >= 0 }
	}
}

// isNull tests whether n is NULL; wanted is false for the opposite. It is never
// NULL itself. Whether a column is NULL does not depend on whether it can be read.
func (b *builder) isNull(n *node, wanted bool) boolFunc {
	missing := b.failureOf(n)
	return func(in input) (bool, *failure) {
		switch f := missing(in); f {
		case nil:
			return !wanted, nil
		case null:
			return wanted, nil
		default:
			return false, f
		}
	}
}

// failureOf compiles n for its failure alone.
func (b *builder) failureOf(n *node) func(in input) *failure {
	switch {
	case n.op == opColumn:
		return withoutValue(b.column(n.text))
	case n.op == opLookup || n.op == opNearest:
		return withoutValue(b.found(n))
	case b.kinds[n] == kindNumber:
		return withoutValue(b.number(n))
	case b.kinds[n] == kindBool:
		return withoutValue(b.boolean(n))
	default:
		return withoutValue(b.text(n))
	}
}

func withoutValue[T any, F ~func(input) (T, *failure)](x F) func(in input) *failure {
	return func(in input) *failure { _, f := x(in); return f }
}

func (b *builder) in(n *node) boolFunc {
	x, list := n.args[0], n.args[1:]
	switch b.kinds[list[0]] {
	case kindNumber:
		return listed(b.number(x), list, func(a *node) inventory.Quantity { return a.number })
	case kindBool:
		return listed(b.boolean(x), list, func(a *node) bool { return a.boolean })
	default:
		return listed(b.text(x), list, func(a *node) string { return a.text })
	}
}

// fewListed is how long a list is searched one by one; a longer one is hashed.
const fewListed = 8

func listed[T comparable, F ~func(input) (T, *failure)](x F, list []*node, value func(*node) T) boolFunc {
	values := make([]T, len(list))
	for i, a := range list {
		values[i] = value(a)
	}
	holds := func(v T) bool { return slices.Contains(values, v) }
	if len(values) > fewListed {
		set := make(map[T]bool, len(values))
		for _, v := range values {
			set[v] = true
		}
		holds = func(v T) bool { return set[v] }
	}
	return func(in input) (bool, *failure) {
		v, f := x(in)
		if f != nil {
			return false, f
		}
		return holds(v), nil
	}
}
