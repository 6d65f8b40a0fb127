package mapping

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"

	"tailstock/connector/inventory"
)

// Limits of an expression. They bound the parser's and our own recursion.
const (
	// MaxExpression is the longest expression, in bytes.
	MaxExpression = 4096
	// maxDepth is how deep an expression may nest.
	maxDepth = 200
	// maxPattern is the longest regular expression, in bytes, and maxSteps the most
	// instructions that it may compile to.
	maxPattern, maxSteps = 500, 200
	// maxAllSteps is the most instructions of all regular expressions of a mapping. Those
	// inside nearest and within count climbs times: they are tried on every level.
	maxAllSteps, climbs = 4_000, 20
	// maxMapping is the longest a mapping may be, in bytes of its expressions as their
	// canonical texts spell them.
	maxMapping = 256 << 10
)

// parse reads an expression of at most limit bytes, which may name what is in v.
func parse(text string, limit int, v *Vocabulary) (*node, *fault) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, faultAt(0, "is empty")
	case len(text) > limit:
		return nil, faultAt(0, "is %d bytes long, more than the %d that an expression may have", len(text), limit)
	case !utf8.ValidString(text):
		return nil, faultAt(0, "is not valid UTF-8")
	}
	r := reader{source: []rune(text), seen: make(map[ast.Node]bool), vocabulary: v}
	tokens, err := lexer.Lex(file.NewSource(text))
	if err != nil {
		return nil, syntaxFault(err, nil)
	}
	if f := vet(tokens); f != nil {
		return nil, f
	}
	lists := keyLists(tokens)
	if len(lists) > 0 {
		r.source = lists.write(r.source)
		text = string(r.source)
		if tokens, err = lexer.Lex(file.NewSource(text)); err != nil {
			return nil, syntaxFault(err, nil)
		}
	}
	n, f := r.tree(text, tokens)
	if f != nil {
		return nil, &fault{lists.before(f.at), f.reason}
	}
	n.each(func(n *node) { n.at = lists.before(n.at) })
	return n, nil
}

// tree reads text, which was cut into tokens.
func (r *reader) tree(text string, tokens []lexer.Token) (*node, *fault) {
	config := conf.CreateNew()
	config.DisableIfOperator = true
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, syntaxFault(err, tokens)
	}
	return r.read(tree.Node, 0)
}

// reader makes nodes of the parser's tree and refuses what is not in the language.
type reader struct {
	source []rune
	// seen holds the nodes read: the parser shares the b of a < b < c.
	seen       map[ast.Node]bool
	vocabulary *Vocabulary
}

func (r *reader) read(a ast.Node, depth int) (*node, *fault) {
	at := a.Location().From
	if depth > maxDepth {
		return nil, faultAt(at, "nests deeper than %d", maxDepth)
	}
	if r.seen[a] {
		return nil, faultAt(at, "comparisons cannot be chained: write a < b and b < c")
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
		if a.Cond == a.Exp1 {
			return nil, faultAt(a.Cond.Location().From, "?: cannot be shortened: write a ? b : c")
		}
		args, f := r.list([]ast.Node{a.Cond, a.Exp1, a.Exp2}, depth)
		if f != nil {
			return nil, f
		}
		return &node{op: opIf, at: args[0].at, args: args}, nil
	case *ast.BuiltinNode:
		return r.call(a.Name, a.Arguments, at, depth)
	case *ast.CallNode:
		if callee, ok := a.Callee.(*ast.IdentifierNode); ok {
			switch callee.Value {
			case "within", "nearest":
				return r.climb(a, callee.Value, "", depth)
			case "exists":
				return r.exists(a, depth)
			}
			return r.call(callee.Value, a.Arguments, at, depth)
		}
	case *ast.MemberNode:
		return r.member(a, depth)
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
	return &node{op: opText, at: at, text: a.Value}, nil
}

// number reads a literal, which vet has passed, from the source, because the parser's is a float.
func (r *reader) number(a ast.Node) (*node, *fault) {
	l := a.Location()
	q, f := parseLiteral(string(r.source[l.From:l.To]), l.From)
	return &node{op: opNumber, at: l.From, number: q}, f
}

// parseLiteral reads the number spelled at a place.
func parseLiteral(spelled string, at int) (inventory.Quantity, *fault) {
	digits := strings.ReplaceAll(spelled, "_", "")
	if strings.Trim(digits, "0123456789.") != "" {
		return 0, faultAt(at, "%s: numbers are written in decimal, like 12 or 0.5", spelled)
	}
	if _, fraction, _ := strings.Cut(digits, "."); len(strings.TrimRight(fraction, "0")) > 6 {
		return 0, faultAt(at, "%s has more than six fractional digits", spelled)
	}
	q, f := parseNumber(digits)
	if f != nil || isBeyond(q) {
		return 0, faultAt(at, "%s is too large for a number; compare as text: text(x) == '%s'", spelled, digits)
	}
	return q, nil
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
	case a.Operator == "+":
		return nil, faultAt(at, "a sign + is not in the language; leave it out")
	}
	return &node{op: opNot, at: at, args: []*node{x}}, nil
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
	if o == opMatches {
		return n, n.compilePattern()
	}
	if o == opCoalesce {
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
	at, text := n.args[1].at, n.args[1].text
	switch {
	case n.args[1].op != opText:
		return faultAt(at, "the pattern must be a text literal")
	case len(text) > maxPattern:
		return faultAt(at, "the pattern is %d bytes long, more than %d", len(text), maxPattern)
	}
	pattern, err := regexp.Compile(text)
	if err != nil {
		return faultAt(at, "the pattern is not a regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if n.steps = patternSize(text); n.steps > maxSteps {
		return faultAt(at, "the pattern repeats too much: it takes %d steps for each character, more than %d", n.steps, maxSteps)
	}
	n.pattern = pattern
	return nil
}

// patternSize returns how many instructions a valid pattern has, each of which
// may have to be tried for each character of a text.
func patternSize(pattern string) int {
	// regexp.Compile has done the same without an error.
	tree, _ := syntax.Parse(pattern, syntax.Perl)
	program, _ := syntax.Compile(tree.Simplify())
	return len(program.Inst)
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
	if name == "partno" {
		if n.vocabulary = r.vocabulary; n.vocabulary == nil {
			n.vocabulary = new(Vocabulary)
		}
	}
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
	case *ast.CallNode:
		return faultAt(at, "functions are called as upper(x)")
	default:
		return faultAt(at, "this is not in the language; see docs/mapping.md")
	}
}
