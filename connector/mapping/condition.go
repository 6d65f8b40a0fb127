package mapping

import (
	"errors"
	"fmt"

	"tailstock/connector/cdc"
)

// ParseCondition reads a condition that a source is to evaluate: comparisons of a
// column with a literal (==, !=, <, <=, >, >=, in, also with null), joined by and,
// or and not. It is the part of the language of rules that every database
// understands alike: no functions, no arithmetic, no comparison of two columns. A
// column by itself stands for column == true. Whether the columns exist and can be
// compared so, the source finds out.
func ParseCondition(text string) (*cdc.Condition, error) {
	root, f := parse(text, MaxExpression, nil)
	if f == nil {
		f = (&checker{kinds: make(map[*node]kind)}).want(root, kindBool)
	}
	var c *cdc.Condition
	if f == nil {
		c, f = root.condition()
	}
	if f != nil {
		return nil, conditionError(f)
	}
	return c, nil
}

func conditionError(f *fault) error {
	if f.at > 0 {
		return fmt.Errorf("at character %d: %s", f.at+1, f.reason)
	}
	return errors.New(f.reason)
}

// condition turns n into a condition, or says why it is none.
func (n *node) condition() (*cdc.Condition, *fault) {
	switch n.op {
	case opAnd:
		return n.joined(cdc.ConditionAnd)
	case opOr:
		return n.joined(cdc.ConditionOr)
	case opNot:
		return n.joined(cdc.ConditionNot)
	case opColumn:
		return &cdc.Condition{Op: cdc.ConditionEqual, Column: n.text, Values: []cdc.Literal{{Type: cdc.TypeBool, Text: "true"}}}, nil
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		return n.compared()
	case opIn:
		return n.listed()
	default:
		return nil, faultAt(n.at, "a condition for the source compares columns with literals, joined with and, or, not")
	}
}

// joined joins the conditions of n's operands.
func (n *node) joined(op cdc.ConditionOp) (*cdc.Condition, *fault) {
	out := &cdc.Condition{Op: op}
	for _, a := range n.args {
		c, f := a.condition()
		if f != nil {
			return nil, f
		}
		out.Args = append(out.Args, c)
	}
	return out, nil
}

// compared is a comparison with one literal, on either side.
func (n *node) compared() (*cdc.Condition, *fault) {
	column, value, op := n.args[0], n.args[1], n.op
	if column.op != opColumn {
		column, value, op = value, column, mirrored(op)
	}
	switch {
	case column.op != opColumn:
		return nil, faultAt(n.at, "one side must be a column, as it is: the source calls no functions and does no arithmetic")
	case value.op == opNull && op == opEqual:
		return &cdc.Condition{Op: cdc.ConditionNull, Column: column.text}, nil
	case value.op == opNull:
		return &cdc.Condition{Op: cdc.ConditionNotNull, Column: column.text}, nil
	}
	l, f := value.literal()
	if f != nil {
		return nil, f
	}
	return &cdc.Condition{Op: comparison(op), Column: column.text, Values: []cdc.Literal{l}}, nil
}

func (n *node) listed() (*cdc.Condition, *fault) {
	out := &cdc.Condition{Op: cdc.ConditionIn, Column: n.args[0].text}
	if n.args[0].op != opColumn {
		return nil, faultAt(n.args[0].at, "before in stands a column, as it is")
	}
	for _, a := range n.args[1:] {
		l, f := a.literal()
		if f != nil {
			return nil, f
		}
		out.Values = append(out.Values, l)
	}
	return out, nil
}

func (n *node) literal() (cdc.Literal, *fault) {
	switch n.op {
	case opText:
		return cdc.Literal{Type: cdc.TypeText, Text: n.text}, nil
	case opNumber:
		return cdc.Literal{Type: cdc.TypeDecimal, Text: string(n.number.Append(nil))}, nil
	case opBool:
		return cdc.Literal{Type: cdc.TypeBool, Text: string(n.canonical(nil))}, nil
	default:
		return cdc.Literal{}, faultAt(n.at, "must be a literal: a number, a text in quotes, true or false")
	}
}

// mirrored is the operator that means the same with its operands exchanged.
func mirrored(o op) op {
	switch o {
	case opLess:
		return opGreater
	case opLessEqual:
		return opGreaterEqual
	case opGreater:
		return opLess
	case opGreaterEqual:
		return opLessEqual
	default:
		return o
	}
}

// comparison is what a source calls the operator.
func comparison(o op) cdc.ConditionOp {
	switch o {
	case opEqual:
		return cdc.ConditionEqual
	case opNotEqual:
		return cdc.ConditionNotEqual
	case opLess:
		return cdc.ConditionLess
	case opLessEqual:
		return cdc.ConditionLessEqual
	case opGreater:
		return cdc.ConditionGreater
	default:
		return cdc.ConditionGreaterEqual
	}
}
