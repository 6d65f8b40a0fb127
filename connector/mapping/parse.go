package mapping

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"tailstock/connector/inventory"
)

// Limits of an expression. They bound the parser's and our own recursion.
const (
	// MaxExpression is the longest expression, in bytes.
	MaxExpression = 4096
	// maxDepth is how deep an expression may nest.
	maxDepth = 200
)

// parse reads an expression of at most limit bytes.
func parse(text string, limit int) (*node, *fault) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, faultAt(0, "is empty")
	case len(text) > limit:
		return nil, faultAt(0, "is %d bytes long, more than the %d that an expression may have", len(text), limit)
	case !utf8.ValidString(text):
		return nil, faultAt(0, "is not valid UTF-8")
	}
	config := conf.CreateNew()
	config.DisableIfOperator = true
	tree, err := parser.ParseWithConfig(text, config)
	r := reader{source: []rune(text), seen: make(map[ast.Node]bool)}
	if err != nil {
		return nil, r.syntax(err)
	}
	return r.read(tree.Node, 0)
}

// reader makes nodes of the parser's tree and refuses what is not in the language.
type reader struct {
	source []rune
	// seen holds the nodes read: the parser shares one where its sugar repeats it.
	seen map[ast.Node]bool
}

// syntax turns a parser's error into ours.
func (r *reader) syntax(err error) *fault {
	var e *file.Error
	if !errors.As(err, &e) {
		return faultAt(0, "%v", err)
	}
	at := min(max(e.From, 0), len(r.source))
	end := min(max(e.To, at), len(r.source))
	if hint := spellingHint(string(r.source[at:end])); hint != "" {
		return faultAt(at, "%s", hint)
	}
	return faultAt(at, "%s", e.Message)
}

// spellingHint says how another language's word is spelled in ours.
func spellingHint(word string) string {
	switch strings.ToUpper(word) {
	case "=":
		return "compare with =="
	case "<>", "><":
		return "compare with !="
	case "AND", "OR", "NOT", "IN":
		return "operators are written in lower case: " + strings.ToLower(word)
	case "IS":
		return "test for NULL with == null or != null"
	case "LIKE", "ILIKE", "SIMILAR", "REGEXP":
		return "match text with contains, startsWith, endsWith or matches"
	case "BETWEEN":
		return "write x >= a and x <= b"
	case "CASE", "WHEN", "IF":
		return "decide with: condition ? a : b"
	}
	return ""
}

func (r *reader) read(a ast.Node, depth int) (*node, *fault) {
	if a == nil {
		return nil, faultAt(0, "is not complete")
	}
	at := a.Location().From
	if depth > maxDepth {
		return nil, faultAt(at, "nests deeper than %d", maxDepth)
	}
	if r.seen[a] {
		return nil, faultAt(at, "comparisons cannot be chained and ?: cannot be shortened: write a < b and b < c, a ? b : c")
	}
	r.seen[a] = true
	switch a := a.(type) {
	case *ast.IdentifierNode:
		return r.identifier(a, at)
	case *ast.StringNode:
		return r.text(a, at)
	case *ast.IntegerNode, *ast.FloatNode:
		return r.number(a)
	case *ast.BoolNode:
		return &node{op: opBool, at: at, boolean: a.Value}, nil
	case *ast.UnaryNode:
		return r.unary(a, depth)
	case *ast.BinaryNode:
		return r.binary(a, depth)
	case *ast.ConditionalNode:
		args, f := r.list([]ast.Node{a.Cond, a.Exp1, a.Exp2}, depth)
		if f != nil {
			return nil, f
		}
		return &node{op: opIf, at: args[0].at, args: args}, nil
	case *ast.BuiltinNode:
		return r.call(a.Name, a.Arguments, at, depth)
	case *ast.CallNode:
		if callee, ok := a.Callee.(*ast.IdentifierNode); ok {
			return r.call(callee.Value, a.Arguments, at, depth)
		}
	case *ast.MemberNode:
		return nil, member(a)
	}
	return nil, unsupported(a)
}

func (r *reader) list(list []ast.Node, depth int) ([]*node, *fault) {
	out := make([]*node, len(list))
	for i, a := range list {
		n, f := r.read(a, depth+1)
		if f != nil {
			return nil, f
		}
		out[i] = n
	}
	return out, nil
}

func (r *reader) identifier(a *ast.IdentifierNode, at int) (*node, *fault) {
	switch a.Value {
	case "null":
		return &node{op: opNull, at: at}, nil
	case "NULL":
		return nil, faultAt(at, "NULL is written null")
	case "TRUE", "FALSE":
		return nil, faultAt(at, "%s is written %s", a.Value, strings.ToLower(a.Value))
	}
	return &node{op: opColumn, at: at, text: a.Value}, nil
}

// text reads a literal. The parser takes what stands in backticks for one, too;
// here it is the name of a column, as in MySQL.
func (r *reader) text(a *ast.StringNode, at int) (*node, *fault) {
	if at < len(r.source) && r.source[at] == '`' {
		if a.Value == "" {
			return nil, faultAt(at, "the name of a column is empty")
		}
		return &node{op: opColumn, at: at, text: a.Value}, nil
	}
	if !utf8.ValidString(a.Value) {
		return nil, faultAt(at, "the text is not valid UTF-8")
	}
	return &node{op: opText, at: at, text: a.Value}, nil
}

// number reads a literal from the source, because the parser's is a float.
func (r *reader) number(a ast.Node) (*node, *fault) {
	l := a.Location()
	spelled := strings.ReplaceAll(string(r.source[l.From:min(l.To, len(r.source))]), "_", "")
	if strings.Trim(spelled, "0123456789.") != "" {
		return nil, faultAt(l.From, "%s: numbers are written in decimal, like 12 or 0.5", spelled)
	}
	if _, fraction, _ := strings.Cut(spelled, "."); len(strings.TrimRight(fraction, "0")) > 6 {
		return nil, faultAt(l.From, "%s has more than six fractional digits", spelled)
	}
	q, f := parseNumber(spelled)
	if f != nil || isBeyond(q) {
		return nil, faultAt(l.From, "%s is too large for a number", spelled)
	}
	return &node{op: opNumber, at: l.From, number: q}, nil
}

func (r *reader) unary(a *ast.UnaryNode, depth int) (*node, *fault) {
	x, f := r.read(a.Node, depth+1)
	if f != nil {
		return nil, f
	}
	at := a.Location().From
	switch {
	case a.Operator == "-" && x.op == opNumber:
		return &node{op: opNumber, at: at, number: -x.number}, nil
	case a.Operator == "-":
		return &node{op: opNegate, at: at, args: []*node{x}}, nil
	case a.Operator == "not" || a.Operator == "!":
		return &node{op: opNot, at: at, args: []*node{x}}, nil
	}
	return nil, faultAt(at, "unary %s is not in the language; leave it out", a.Operator)
}

func (r *reader) binary(a *ast.BinaryNode, depth int) (*node, *fault) {
	at := a.Location().From
	o, ok := binaryOp(a.Operator)
	if !ok {
		return nil, faultAt(at, "the operator %s is not in the language", a.Operator)
	}
	if o == opIn {
		return r.in(a, depth)
	}
	args, f := r.list([]ast.Node{a.Left, a.Right}, depth)
	if f != nil {
		return nil, f
	}
	n := &node{op: o, at: at, args: args}
	switch o {
	case opMatches:
		return n, n.compilePattern()
	case opCoalesce:
		n.flatten()
	}
	return n, nil
}

// flatten makes one list of coalesce(coalesce(a, b), c).
func (n *node) flatten() {
	var args []*node
	for _, a := range n.args {
		if a.op == opCoalesce {
			args = append(args, a.args...)
		} else {
			args = append(args, a)
		}
	}
	n.args = args
}

func (n *node) compilePattern() *fault {
	if n.args[1].op != opText {
		return faultAt(n.args[1].at, "the pattern of matches must be a text literal")
	}
	pattern, err := regexp.Compile(n.args[1].text)
	if err != nil {
		return faultAt(n.args[1].at, "the pattern is not a regular expression (RE2): %v", err)
	}
	n.pattern = pattern
	return nil
}

// in reads x in [a, b]. The list holds literals, so that it is searched, not evaluated.
func (r *reader) in(a *ast.BinaryNode, depth int) (*node, *fault) {
	list, ok := a.Right.(*ast.ArrayNode)
	if !ok || len(list.Nodes) == 0 {
		return nil, faultAt(a.Right.Location().From, "write the list behind in as ['a', 'b'] or [1, 2]")
	}
	args, f := r.list(append([]ast.Node{a.Left}, list.Nodes...), depth)
	if f != nil {
		return nil, f
	}
	for _, n := range args[1:] {
		switch n.op {
		case opText, opNumber, opBool:
		case opNull:
			return nil, faultAt(n.at, "nothing equals null; test for it with x == null")
		default:
			return nil, faultAt(n.at, "the list behind in holds literals only; write x == a or x == b")
		}
	}
	return &node{op: opIn, at: a.Location().From, args: args}, nil
}

func (r *reader) call(name string, arguments []ast.Node, at, depth int) (*node, *fault) {
	fn := findFunction(name)
	if fn == nil {
		return nil, faultAt(at, "there is no function %s; functions are %s", name, listNames(name, functionNames()))
	}
	args, f := r.list(arguments, depth)
	if f != nil {
		return nil, f
	}
	if len(args) < fn.least || (fn.most > 0 && len(args) > fn.most) {
		return nil, faultAt(at, "%s is called as %s", name, fn.usage)
	}
	if name == "coalesce" {
		n := &node{op: opCoalesce, at: at, args: args}
		n.flatten()
		return n, nil
	}
	for i, a := range args {
		if i >= fn.constantFrom && fn.constantFrom > 0 && !wholeLiteral(a) {
			return nil, faultAt(a.at, "argument %d of %s must be a whole number as a literal: %s", i+1, name, fn.usage)
		}
	}
	n := &node{op: opCall, at: at, text: name, function: fn, args: args}
	if fn.check != nil {
		if f := fn.check(n); f != nil {
			return nil, f
		}
	}
	return n, nil
}

func wholeLiteral(n *node) bool {
	return n.op == opNumber && n.number%inventory.One == 0
}

// member explains product[product_id].brand and everything else with a dot or brackets.
func member(a *ast.MemberNode) *fault {
	at := a.Location().From
	name, hasName := a.Property.(*ast.StringNode)
	if inner, ok := a.Node.(*ast.MemberNode); ok && hasName {
		if table, ok := inner.Node.(*ast.IdentifierNode); ok {
			return faultAt(table.Location().From, "lookups are not configured: %s[...].%s reads another table's row; "+
				"map a table that has the value in a column of its own", table.Value, name.Value)
		}
	}
	if table, ok := a.Node.(*ast.IdentifierNode); ok && hasName {
		return faultAt(table.Location().From, "a column is written without its table; "+
			"a name with a dot in it is written in backticks, as `%s.%s`", table.Value, name.Value)
	}
	return faultAt(at, "dots and brackets are not in the language")
}

// unsupported says what to write instead of a construct of the parser's own language.
func unsupported(a ast.Node) *fault {
	at := a.Location().From
	switch a.(type) {
	case *ast.NilNode:
		return faultAt(at, "nil is written null")
	case *ast.ArrayNode:
		return faultAt(at, "a list stands only behind in")
	case *ast.SliceNode:
		return faultAt(at, "cut text with substring(text, start, count) or part(text, separator, n)")
	case *ast.ChainNode:
		return faultAt(at, "?. is not in the language; give a missing value a meaning with ??")
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		return faultAt(at, "variables and semicolons are not in the language; write one expression")
	case *ast.BytesNode:
		return faultAt(at, "bytes literals are not in the language; write text as 'text'")
	case *ast.MapNode:
		return faultAt(at, "braces are not in the language")
	default:
		return faultAt(at, "this is not in the language; see docs/mapping.md")
	}
}
