package mapping

import (
	"strings"
	"time"

	"tailstock/connector/cdc"
)

// checker finds the kind of every node of an expression.
type checker struct {
	// table has the columns. Without one every column may be of any kind.
	table   *cdc.Table
	lookups *Lookups
	kinds   map[*node]kind
}

// kindOf returns the kind of n, or what is wrong with n. A node is looked into
// once, however often its kind is asked for: each level asks more than once.
func (c *checker) kindOf(n *node) (kind, *fault) {
	if k, known := c.kinds[n]; known {
		return k, nil
	}
	k, f := c.find(n)
	if f == nil {
		c.kinds[n] = k
	}
	return k, f
}

func (c *checker) find(n *node) (kind, *fault) {
	switch n.op {
	case opColumn:
		return c.column(n)
	case opText:
		return kindText, nil
	case opNumber:
		return kindNumber, nil
	case opBool:
		return kindBool, nil
	case opNull:
		return kindAny, nil
	case opNegate, opAdd, opSubtract, opMultiply, opDivide, opRemainder:
		return c.arithmetic(n)
	case opNot, opAnd, opOr:
		return kindBool, c.all(n.args, kindBool)
	case opContains, opStartsWith, opEndsWith, opMatches:
		return kindBool, c.all(n.args, kindText)
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual, opIn:
		return c.comparison(n)
	case opIf:
		if f := c.want(n.args[0], kindBool); f != nil {
			return 0, f
		}
		return c.same(n.args[1:])
	case opCoalesce:
		return c.same(n.args)
	case opLookup, opNearest, opWithin, opExists:
		return c.lookup(n)
	case opMap:
		return c.entry(n)
	default:
		return c.call(n)
	}
}

// kindOfType says how the values of a column are read.
func kindOfType(t cdc.Type) kind {
	switch t {
	case cdc.TypeInteger, cdc.TypeDecimal, cdc.TypeFloat:
		return kindNumber
	case cdc.TypeBool:
		return kindBool
	default:
		return kindText
	}
}

func (c *checker) column(n *node) (kind, *fault) {
	if c.table == nil {
		return kindAny, nil
	}
	if i := c.table.Column(n.text); i >= 0 {
		return kindOfType(c.table.Columns[i].Type), nil
	}
	names := make([]string, len(c.table.Columns))
	for i := range c.table.Columns {
		names[i] = c.table.Columns[i].Name
	}
	return 0, faultAt(n.at, "table %s has no column %s; its columns are %s; for the text itself write %s",
		c.table.Name, n.text, listNames(n.text, names), appendTextLiteral(nil, n.text))
}

func (c *checker) arithmetic(n *node) (kind, *fault) {
	if n.op == opAdd {
		left, f := c.kindOf(n.args[0])
		if f != nil {
			return 0, f
		}
		right, f := c.kindOf(n.args[1])
		if f != nil {
			return 0, f
		}
		// Text is joined with + as well. Columns not known yet may be either.
		switch {
		case left == kindAny && right == kindAny && c.table == nil:
			return kindAny, nil
		case left == kindText || right == kindText:
			return kindText, c.all(n.args, kindText)
		}
	}
	return kindNumber, c.all(n.args, kindNumber)
}

func (c *checker) comparison(n *node) (kind, *fault) {
	k, f := c.same(n.args)
	switch {
	case f != nil && n.args[0].op == opNot:
		return 0, notTooClose(n.args[0])
	case f != nil:
		return 0, f
	}
	ordered := n.op != opEqual && n.op != opNotEqual && n.op != opIn
	if ordered && k == kindBool {
		return 0, faultAt(n.at, "true and false have no order; compare them with == or !=")
	}
	for _, a := range n.args {
		if ordered && a.op == opNull {
			return 0, faultAt(a.at, "null has no order; test for it with x == null")
		}
	}
	return kindBool, nil
}

// same finds the one kind that all of list have.
func (c *checker) same(list []*node) (kind, *fault) {
	common := kindAny
	for _, a := range list {
		k, f := c.kindOf(a)
		if f != nil {
			return 0, f
		}
		switch {
		case k == kindAny || k == common:
		case common == kindAny:
			common = k
		default:
			return 0, faultAt(a.at, "is %s where the other side is %s%s", k, common, c.conversion(a, k, common))
		}
	}
	return common, nil
}

func (c *checker) all(list []*node, wanted kind) *fault {
	for _, a := range list {
		if f := c.want(a, wanted); f != nil {
			return f
		}
	}
	return nil
}

func (c *checker) want(n *node, wanted kind) *fault {
	k, f := c.kindOf(n)
	if f != nil {
		return f
	}
	switch {
	case n.op == opNot && wanted == kindText:
		return notTooClose(n)
	case k != wanted && k != kindAny:
		return faultAt(n.at, "is %s where %s is wanted%s", k, wanted, c.conversion(n, k, wanted))
	}
	return nil
}

// wantMoment wants a date or time, or a text that may hold one.
func (c *checker) wantMoment(n *node) *fault {
	k, f := c.kindOf(n)
	switch {
	case f != nil:
		return f
	case k == kindNumber:
		spelled := n.spelled()
		if spelled[0] == '(' {
			spelled = spelled[1 : len(spelled)-1] // the call has parentheses of its own
		}
		return faultAt(n.at, "is a number where a date or time is wanted; write unix(%s) if it counts seconds since 1970, "+
			"or text(%s) if it is a date such as 20261127", spelled, spelled)
	case k == kindBool:
		return faultAt(n.at, "is true or false where a date or time is wanted")
	case n.op == opText:
		if _, f := parseMoment(n.text, time.UTC, ""); f != nil {
			return faultAt(n.at, "%s; dates are written like '2026-11-27'", f.reason)
		}
	case c.table != nil && (n.op == opColumn || n.op == opLookup || n.op == opNearest):
		switch is := c.typeOf(n); is {
		case cdc.TypeTime, cdc.TypeUUID, cdc.TypeBytes, cdc.TypeJSON:
			return faultAt(n.at, "is %s where a date or time is wanted", is)
		default:
		}
	}
	return nil
}

// notTooClose explains not x == y, which is (not x) == y.
func notTooClose(n *node) *fault {
	return faultAt(n.at, "not is for the next value alone; write not (x == y)")
}

// conversion says how to make a wanted kind of n, as the end of a sentence.
func (c *checker) conversion(n *node, is, wanted kind) string {
	spelled := string(n.canonical(nil))
	if len(spelled) > 60 {
		spelled = "..."
	}
	// An operation's spelling is in parentheses, which a call has already.
	argument := strings.TrimSuffix(strings.TrimPrefix(spelled, "("), ")")
	if spelled == argument || spelled[0] != '(' {
		argument = spelled
	}
	literal := n.op == opText || n.op == opNumber
	switch {
	case literal && wanted == kindNumber:
		return "; numbers are written without quotes"
	case literal && wanted == kindText:
		return "; text is written in quotes, as '" + spelled + "'"
	case literal:
		return "; write true or false"
	case is == kindText && wanted == kindNumber && n.op == opAdd:
		return "; + joins text here, because one side of it is text"
	case is == kindText && wanted == kindNumber:
		return "; write number(" + argument + ") if it holds a number"
	case wanted == kindText:
		return "; write text(" + argument + ")"
	case is == kindNumber && wanted == kindBool:
		return "; write " + spelled + " != 0"
	case is == kindText && wanted == kindBool:
		return "; compare it, as in " + spelled + " == 'Y'"
	}
	return "; write " + spelled + " ? 1 : 0"
}

func (c *checker) call(n *node) (kind, *fault) {
	for i, a := range n.args {
		wanted := n.function.params[min(i, len(n.function.params)-1)]
		if wanted == kindAny {
			k, f := c.kindOf(a)
			switch {
			case f != nil:
				return 0, f
			case k == n.function.refuses && k != kindAny:
				return 0, faultAt(a.at, "is %s where %s is wanted%s", k, n.function.result, c.conversion(a, k, n.function.result))
			}
			continue
		}
		if f := c.want(a, wanted); f != nil {
			return 0, f
		}
	}
	return n.function.result, nil
}
