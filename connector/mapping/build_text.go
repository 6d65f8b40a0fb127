package mapping

import (
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// Limits of texts, in bytes. Whole columns may be longer; SKUs and locations never are.
const (
	// maxMade is the longest text that an operator or function makes, or works through.
	maxMade = 64 << 10
	// maxMatched is the longest text that is matched against a regular expression,
	// which takes time for each of its bytes and each of the pattern's instructions.
	maxMatched = 16 << 10
)

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
	case opLookup, opNearest:
		return textOf(b.found(n))
	case opMap:
		return entryOf(b.asText(n.args[0]), n.staticMap.texts())
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

func (b *builder) textColumn(n *node) textFunc { return textOf(b.column(n.text)) }

func textOf(value func(in input) (cdc.Value, *failure)) textFunc {
	return func(in input) (string, *failure) {
		v, f := value(in)
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

// asText compiles text(n): the text of a value of any kind. Integer and decimal
// columns keep all their digits, however many: part numbers are longer than
// what can be calculated with. No number has trailing zeros.
func (b *builder) asText(n *node) textFunc {
	switch b.kinds[n] {
	case kindNumber:
		switch n.op {
		case opColumn:
			if b.table.Columns[b.table.Column(n.text)].Type != cdc.TypeFloat {
				return decimalText(b.textColumn(n), "column "+n.text)
			}
		case opLookup, opNearest:
			if b.lookups.typeOf(n) != cdc.TypeFloat {
				return decimalText(textOf(b.found(n)), n.spelled())
			}
		default:
		}
		return numberText(b.number(n))
	case kindBool:
		x := b.boolean(n)
		return func(in input) (string, *failure) {
			v, f := x(in)
			return strconv.FormatBool(v), f
		}
	default:
		return b.text(n)
	}
}

// decimalText removes what does not count from the text of a plain decimal number.
func decimalText(x textFunc, name string) textFunc {
	return func(in input) (string, *failure) {
		s, f := x(in)
		if f != nil {
			return "", f
		}
		digits := strings.TrimPrefix(s, "-")
		if digits == "" || digits[0] == '.' || strings.Trim(digits, "0123456789.") != "" {
			return "", failed(name + ": " + shown(s) + " is not a number")
		}
		if strings.IndexByte(s, '.') >= 0 {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		if s == "-0" {
			return "0", nil
		}
		return s, nil
	}
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
