package mapping

import (
	"strings"

	"tailstock/connector/cdc"
)

// maxMade is the longest text that an operator or function makes, or works
// through, in bytes. Whole columns may be longer; SKUs and locations never are.
const maxMade = 64 << 10

// errTooLong is the failure of whatever would exceed maxMade.
func errTooLong() *failure { return failed("a text is longer than 64 KiB") }

func (b *builder) text(n *node) textFunc {
	switch n.op {
	case opColumn:
		return b.textColumn(n)
	case opText:
		s := n.text
		return func(input) (string, *failure) { return s, nil }
	case opNull:
		return func(input) (string, *failure) { return "", null }
	case opIf:
		return chosen(b.boolean(n.args[0]), b.text(n.args[1]), b.text(n.args[2]))
	case opCoalesce:
		return textFunc(firstOf(b.texts(n.args)))
	case opCall:
		return n.function.text(b, n)
	default:
		return joined(b.texts(joinedParts(n, nil)))
	}
}

func (b *builder) texts(list []*node) []func(input) (string, *failure) {
	out := make([]func(input) (string, *failure), len(list))
	for i, a := range list {
		out[i] = b.text(a)
	}
	return out
}

func (b *builder) textColumn(n *node) textFunc {
	i, name := b.table.Column(n.text), n.text
	return func(in input) (string, *failure) {
		v, f := in.value(i, name)
		return v.Text(), f
	}
}

// joinedParts lists the operands of a + b + c.
func joinedParts(n *node, parts []*node) []*node {
	if n.op != opAdd {
		return append(parts, n)
	}
	return joinedParts(n.args[1], joinedParts(n.args[0], parts))
}

func joined(parts []func(input) (string, *failure)) textFunc {
	return func(in input) (string, *failure) {
		var scratch [8]string
		values, size := scratch[:0], 0
		isNull := false
		for _, part := range parts {
			s, f := part(in)
			if f != nil && f != null {
				return "", f
			}
			isNull = isNull || f != nil
			values, size = append(values, s), size+len(s)
		}
		switch {
		case isNull:
			return "", null
		case size > maxMade:
			return "", errTooLong()
		}
		return strings.Join(values, ""), nil
	}
}

// asText compiles text(n): the text of a value of any kind. An integer column
// is taken as it is, however many digits it has; other numbers are written
// without trailing zeros.
func (b *builder) asText(n *node) textFunc {
	switch {
	case b.kinds[n] == kindNumber && n.op == opColumn &&
		b.table.Columns[b.table.Column(n.text)].Type == cdc.TypeInteger:
		return b.textColumn(n)
	case b.kinds[n] == kindNumber:
		return numberText(b.number(n))
	case b.kinds[n] == kindBool:
		x := b.boolean(n)
		return func(in input) (string, *failure) {
			v, f := x(in)
			switch {
			case f != nil:
				return "", f
			case v:
				return "true", nil
			}
			return "false", nil
		}
	}
	return b.text(n)
}

func numberText(x numberFunc) textFunc {
	return func(in input) (string, *failure) {
		q, f := x(in)
		switch {
		case f != nil:
			return "", f
		case isBeyond(q):
			return "", errTooLarge()
		}
		return q.String(), nil
	}
}
