package cdc

// ConditionOp is what a Condition tests.
type ConditionOp uint8

// The operators of a Condition.
const (
	// ConditionAnd, ConditionOr and ConditionNot join Args: all, any, not the only one.
	ConditionAnd ConditionOp = iota + 1
	ConditionOr
	ConditionNot
	// ConditionEqual to ConditionGreaterEqual compare Column with the one of Values.
	ConditionEqual
	ConditionNotEqual
	ConditionLess
	ConditionLessEqual
	ConditionGreater
	ConditionGreaterEqual
	// ConditionIn tests whether Column equals one of Values.
	ConditionIn
	// ConditionNull and ConditionNotNull test Column for NULL.
	ConditionNull
	ConditionNotNull
)

// Condition is a condition on the columns of a row, in the form that a source
// renders for its database: comparisons of one column with literals, and what
// joins them, with SQL's three-valued logic. It has no functions and no text of
// any database's language. It is immutable and safe for concurrent use.
type Condition struct {
	Op ConditionOp
	// Column is the name of the column that is tested, as the table has it.
	Column string
	Values []Literal
	Args   []*Condition
}

// Literal is a constant in a Condition.
type Literal struct {
	// Type is TypeText, TypeDecimal or TypeBool.
	Type Type
	// Text is the value in the canonical form of its type.
	Text string
}

// Columns returns the columns that c names, each once, in the order of their
// first mention.
func (c *Condition) Columns() []string {
	var out []string
	seen := make(map[string]bool)
	var walk func(*Condition)
	walk = func(c *Condition) {
		if c.Column != "" && !seen[c.Column] {
			seen[c.Column] = true
			out = append(out, c.Column)
		}
		for _, a := range c.Args {
			walk(a)
		}
	}
	walk(c)
	return out
}
