package mapping

import (
	"regexp"

	"tailstock/connector/inventory"
)

// op is what a node does.
type op uint8

const (
	opColumn op = iota + 1
	opText
	opNumber
	opBool
	opNull
	opNegate
	opNot
	opAdd
	opSubtract
	opMultiply
	opDivide
	opRemainder
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opAnd
	opOr
	opIn
	opContains
	opStartsWith
	opEndsWith
	opMatches
	opCoalesce
	opIf
	opCall
	// opLookup is a column of the row of a lookup that args name: one for each column of its key.
	opLookup
	// opNearest is a column of the nearest row of a lookup, from the one that args
	// name upwards, for which inner is true; opWithin is whether there is one.
	opNearest
	opWithin
	// opExists is whether a lookup has a row that args name.
	opExists
	// opMap is what a map has for args[0].
	opMap
)

// binaryOps holds the spelling of the operators between two operands, as the
// parser gives them. The first spelling of each is the canonical one.
var binaryOps = [...]struct { //nolint:gochecknoglobals // a constant table
	spelling string
	op       op
}{
	{"+", opAdd},
	{"-", opSubtract},
	{"*", opMultiply},
	{"/", opDivide},
	{"%", opRemainder},
	{"==", opEqual},
	{"!=", opNotEqual},
	{"<", opLess},
	{"<=", opLessEqual},
	{">", opGreater},
	{">=", opGreaterEqual},
	{"and", opAnd},
	{"&&", opAnd},
	{"or", opOr},
	{"||", opOr},
	{"in", opIn},
	{"contains", opContains},
	{"startsWith", opStartsWith},
	{"endsWith", opEndsWith},
	{"matches", opMatches},
	{"??", opCoalesce},
}

func binaryOp(spelling string) (op, bool) {
	for _, b := range binaryOps {
		if b.spelling == spelling {
			return b.op, true
		}
	}
	return 0, false
}

// spelling returns the canonical spelling of an operator between two operands.
func (o op) spelling() string {
	for _, b := range binaryOps {
		if b.op == o {
			return b.spelling
		}
	}
	return ""
}

// node is a piece of an expression, free of any spelling.
type node struct {
	op op
	// at is where it stands in the expression, in characters from its beginning.
	at int
	// text is the name of a column or function, or the characters of a text literal.
	text    string
	number  inventory.Quantity
	boolean bool
	// function is what opCall calls.
	function *function
	pattern  *regexp.Regexp
	// steps is how many instructions pattern has.
	steps int
	args  []*node
	// lookup and column are what opLookup and its like read.
	lookup *Lookup
	column string
	// inner is an expression over the lookup's rows.
	inner      *node
	staticMap  *Map
	vocabulary *Vocabulary
}

// walk calls visit with n and everything below it that is evaluated over the same row.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, a := range n.args {
		a.walk(visit)
	}
}

// each calls visit with n and everything below it.
func (n *node) each(visit func(*node)) {
	n.walk(func(n *node) {
		if visit(n); n.inner != nil {
			n.inner.each(visit)
		}
	})
}

// allSteps is how many instructions the patterns in n have, those that are tried on
// every level of a tree counted climbs times.
func (n *node) allSteps() (sum int) {
	n.walk(func(n *node) {
		sum += n.steps
		if n.inner != nil {
			sum += climbs * n.inner.allSteps()
		}
	})
	return sum
}

// columns appends the names of the columns that n names to names, each once.
func (n *node) columns(names []string, seen map[string]bool) []string {
	if n.op == opColumn && !seen[n.text] {
		seen[n.text] = true
		names = append(names, n.text)
	}
	for _, a := range n.args {
		names = a.columns(names, seen)
	}
	return names
}

// kind is the type of a node's values.
type kind uint8

const (
	// kindAny is that of NULL, and of columns before they are known.
	kindAny kind = iota
	kindNumber
	kindText
	kindBool
)

// String returns the name that errors use.
func (k kind) String() string {
	return [...]string{"NULL", "a number", "text", "true or false"}[k]
}
