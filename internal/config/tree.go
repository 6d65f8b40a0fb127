package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// kind is what a node of the file is.
type kind uint8

const (
	// kindUnknown is that of what was reported while the file was read.
	kindUnknown kind = iota
	kindScalar
	kindObject
	kindList
	kindNull
)

// String returns the name that errors use.
func (k kind) String() string {
	return [...]string{"", "a single value", "a set of keys", "a list", "nothing"}[k]
}

// node is a value of the file. Where the file uses an alias, several places share one.
type node struct {
	kind  kind
	place place
	// text is what a scalar says, without quotes and escapes.
	text string
	// textPlace is where text begins, and inline whether it stands there exactly so.
	textPlace place
	inline    bool
	pairs     []pair
	items     []*node
}

// pair is a key with its value.
type pair struct {
	key   string
	place place
	value *node
}

// reader makes nodes of what the YAML parser found.
type reader struct {
	file string
	// origin is the file that places name: "" for the configuration itself.
	origin  string
	lines   [][]rune
	anchors map[string]*node
	errs    Errors
}

// readTree reads the only document of text. Without a node the file is no YAML
// and errs says where. Places name origin as their file.
func readTree(file, origin string, text []byte) (*node, Errors) {
	r := &reader{file: file, origin: origin, anchors: make(map[string]*node)}
	plain, ok := r.readable(text)
	if !ok {
		return nil, r.errs
	}
	tokens := lexer.Tokenize(plain)
	if r.check(tokens); len(r.errs) > 0 {
		r.errs.sort(file)
		return nil, r.errs
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil, r.errs
	}
	body := r.document(parsed)
	if body == nil {
		return nil, r.errs
	}
	root := r.read(body, 0)
	return root, r.errs
}

func (r *reader) report(at place, format string, args ...any) {
	r.errs = append(r.errs, &Error{File: r.file, Line: at.Line, Column: at.Column, Reason: printable(fmt.Sprintf(format, args...))})
}

// readable splits text into lines, and returns it without what the parser
// miscounts: a byte order mark, carriage returns.
func (r *reader) readable(text []byte) (string, bool) {
	if len(text) > maxFile {
		r.report(start(), "is larger than %d bytes", maxFile)
		return "", false
	}
	plain := strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n")
	for i, line := range strings.Split(plain, "\n") {
		if bad := strings.IndexFunc(line, unreadable); bad >= 0 {
			r.report(place{Line: i + 1, Column: utf8.RuneCountInString(line[:bad]) + 1}, "is a control character, or no valid UTF-8")
			return "", false
		}
		r.lines = append(r.lines, []rune(line))
	}
	return plain, true
}

// unreadable reports whether c does not belong into a text. An invalid byte is
// taken for the character that stands for such.
func unreadable(c rune) bool { return c == utf8.RuneError || c < ' ' && c != '\t' || c == 0x7f }

// clamp returns a place within the file: the parser's may lie behind its end.
func (r *reader) clamp(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{File: r.origin, Line: 1, Column: 1}
	}
	line := min(max(t.Position.Line, 1), len(r.lines))
	return place{File: r.origin, Line: line, Column: min(max(t.Position.Column, 1), len(r.lines[line-1])+1)}
}

func (r *reader) syntax(err error) {
	var e yaml.Error
	if !errors.As(err, &e) {
		r.report(start(), "is not YAML: %v", err)
		return
	}
	r.report(r.clamp(e.GetToken()), "is not YAML: %s", e.GetMessage())
}

// document returns the body of the only document, or nil.
func (r *reader) document(f *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range f.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			r.report(r.clamp(doc.Start), "is a second document; a file holds one")
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		r.report(start(), "is empty; begin with nats:, store: and sources:, as in configs/tailstock.yaml")
	}
	return body
}

func (r *reader) read(n ast.Node, depth int) *node {
	at := r.clamp(n.GetToken())
	if depth > maxNesting {
		r.report(at, "nests deeper than %d", maxNesting)
		return &node{place: at}
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return r.object(n, depth)
	case *ast.SequenceNode:
		out := &node{kind: kindList, place: at}
		for _, item := range n.Values {
			out.items = append(out.items, r.read(item, depth+1))
		}
		return out
	case *ast.AnchorNode:
		return r.anchor(n, depth)
	case *ast.AliasNode:
		return r.alias(n)
	case *ast.NullNode:
		return &node{kind: kindNull, place: at}
	case *ast.LiteralNode:
		return &node{kind: kindScalar, place: at, text: n.Value.Value, textPlace: at}
	default:
		return r.scalar(n.GetToken())
	}
}

func (r *reader) object(n *ast.MappingNode, depth int) *node {
	out := &node{kind: kindObject, place: r.clamp(n.GetToken())}
	for i, v := range n.Values {
		t := v.Key.GetToken()
		at := r.clamp(t)
		// A mapping that is not in braces begins at its first key, not at the colon.
		if i == 0 && !n.IsFlowStyle {
			out.place = at
		}
		if _, ok := v.Key.(ast.ScalarNode); !ok || len(t.Value) > maxKey {
			r.report(at, "a key must be a single value of at most %d bytes", maxKey)
			continue
		}
		out.pairs = append(out.pairs, pair{t.Value, at, r.read(v.Value, depth+1)})
	}
	return out
}

func (r *reader) anchor(n *ast.AnchorNode, depth int) *node {
	out := r.read(n.Value, depth+1)
	name := n.Name.GetToken().Value
	if r.anchors[name] != nil {
		r.report(r.clamp(n.GetToken()), "the anchor &%s is defined already", name)
	}
	r.anchors[name] = out
	return out
}

func (r *reader) alias(n *ast.AliasNode) *node {
	t := n.Value.GetToken()
	if out := r.anchors[t.Value]; out != nil {
		return out
	}
	r.report(r.clamp(n.GetToken()), "there is no anchor &%s before this alias", t.Value)
	return &node{place: r.clamp(n.GetToken())}
}

// scalar takes what a value says as text: what kind of value it must be, its key decides.
func (r *reader) scalar(t *token.Token) *node {
	at := r.clamp(t)
	out := &node{kind: kindScalar, place: at, text: t.Value, textPlace: at}
	inside := at
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		inside.Column++
	}
	if r.standsAt(inside, t.Value) {
		out.textPlace, out.inline = inside, true
	}
	return out
}

// standsAt reports whether the file says text at a place, as it is.
func (r *reader) standsAt(at place, text string) bool {
	line := r.lines[at.Line-1]
	line = line[min(at.Column-1, len(line)):]
	i := 0
	for _, c := range text {
		if i >= len(line) || line[i] != c {
			return false
		}
		i++
	}
	return true
}
