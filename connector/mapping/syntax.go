package mapping

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
)

// foreign says what to write instead of what the parser knows and the language does not.
func foreign(token string) string {
	switch token {
	case "|", "::":
		return "functions are called as upper(x); alternatives are joined with or"
	case "?.":
		return "?. is not in the language; give a missing value a meaning with ??"
	case "#":
		return "# is not in the language"
	case ";", "let":
		return "variables and semicolons are not in the language; write one expression"
	case "{", "}":
		return "braces are not in the language"
	case "=":
		return "compare with =="
	case "&":
		return "join conditions with and, text with +"
	}
	return ""
}

// vet finds what is no part of the language, and brackets that nest too deep for
// the parser's recursion.
func vet(tokens []lexer.Token) *fault {
	depth := 0
	for i, t := range tokens {
		switch {
		case t.Kind == lexer.Number:
			if _, f := parseLiteral(t.Value, t.From); f != nil {
				return f
			}
		case t.Kind == lexer.Bytes:
			return faultAt(t.From, "bytes literals are not in the language; write text as 'text'")
		case t.Kind != lexer.Operator && t.Kind != lexer.Bracket:
			continue
		case foreign(t.Value) != "":
			return faultAt(t.From, "%s", foreign(t.Value))
		case t.Value == "(" && i > 0 && tokens[i-1].Is(lexer.Operator, "in"):
			return faultAt(t.From, "write the list behind in as ['a', 'b'] or [1, 2]")
		case t.Value == "(" || t.Value == "[":
			depth++
		case t.Value == ")" || t.Value == "]":
			depth--
		}
		if depth > maxDepth {
			return faultAt(t.From, "nests deeper than %d", maxDepth)
		}
	}
	return nil
}

// brackets are the places, in order, at which the parser needs a bracket more than
// is written, each as it comes to stand in what the parser gets: it knows a list of
// values between brackets as a[[b, c]] only.
type brackets []bracketAt

type bracketAt struct {
	at   int
	rune rune
}

// keyLists finds the lists of values between the brackets of lookups.
func keyLists(tokens []lexer.Token) brackets {
	type open struct {
		at     int
		of     bool // behind a name
		listed bool
	}
	var stack []open
	var found brackets
	for i, t := range tokens {
		switch {
		case t.Is(lexer.Bracket, "[", "(", "{"):
			stack = append(stack, open{at: t.To, of: t.Value == "[" && i > 0 && tokens[i-1].Kind == lexer.Identifier})
		case t.Is(lexer.Operator, ",") && len(stack) > 0:
			stack[len(stack)-1].listed = true
		case t.Is(lexer.Bracket, "]", ")", "}") && len(stack) > 0:
			last := stack[len(stack)-1]
			if stack = stack[:len(stack)-1]; last.of && last.listed && t.Value == "]" {
				found = append(found, bracketAt{last.at, '['}, bracketAt{t.From, ']'})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b bracketAt) int { return cmp.Compare(a.at, b.at) })
	for i := range found {
		found[i].at += i
	}
	return found
}

// write returns source with the brackets in it.
func (b brackets) write(source []rune) []rune {
	out := make([]rune, 0, len(source)+len(b))
	for _, r := range source {
		for len(b) > 0 && b[0].at == len(out) {
			out, b = append(out, b[0].rune), b[1:]
		}
		out = append(out, r)
	}
	return out
}

// before returns where in the source that stood which stands at a place of what
// write made of it.
func (b brackets) before(at int) int {
	n := 0
	for n < len(b) && b[n].at < at {
		n++
	}
	return at - n
}

// syntaxFault turns an error of the lexer, or of the parser at one of tokens, into a fault.
func syntaxFault(err error, tokens []lexer.Token) *fault {
	var e *file.Error
	if !errors.As(err, &e) {
		return faultAt(0, "%v", err)
	}
	for i, t := range tokens {
		// The end begins where the last token may begin, too: the message tells them apart.
		if t.Location != e.Location || strings.HasPrefix(e.Message, unexpectedToken) && e.Message != unexpectedToken+t.String() {
			continue
		}
		if i > 0 && e.Message == "expected name" {
			return faultAt(tokens[i-1].From, "a name is expected behind the dot") // the parser has read on
		}
		if i > 0 {
			// Another language's word is the culprit before what it stumbles over: NOT x.
			before := tokens[i-1]
			if hint := spellingHint(before.Value + t.Value); hint != "" && before.To == t.From {
				return faultAt(before.From, "%s", hint)
			}
			if hint := wordHint(before); hint != "" {
				return faultAt(before.From, "%s", hint)
			}
		}
		if hint := wordHint(t); hint != "" {
			return faultAt(t.From, "%s", hint)
		}
		return unexpected(e, t)
	}
	return faultAt(max(e.From, 0), "%s", e.Message)
}

// unexpectedToken begins the parser's commonest message.
const unexpectedToken = "unexpected token "

func unexpected(e *file.Error, t lexer.Token) *fault {
	switch {
	case strings.Contains(e.Message, "cannot be mixed"):
		return faultAt(t.From, "?? and %s do not mix: put the part with ?? in parentheses", t.Value)
	case !strings.HasPrefix(e.Message, unexpectedToken):
		return faultAt(t.From, "%s", e.Message)
	case t.Kind == lexer.EOF:
		return faultAt(t.To, "ends too early: something is missing here")
	case t.Kind == lexer.String:
		return faultAt(t.From, "a text is not expected here")
	case t.Kind == lexer.Operator && plainIdentifier(t.Value):
		return faultAt(t.From, "the operator %s is not expected here; a column of that name is written `%s`", t.Value, t.Value)
	}
	return faultAt(t.From, "%s is not expected here", t.Value)
}

// wordHint is spellingHint for a name.
func wordHint(t lexer.Token) string {
	if t.Kind != lexer.Identifier {
		return ""
	}
	return spellingHint(t.Value)
}

// spellingHint says how another language's word is spelled in ours.
func spellingHint(word string) string {
	switch strings.ToUpper(word) {
	case "<>", "><":
		return "compare with !="
	case "IS":
		return "test for NULL with == null or != null"
	case "LIKE", "ILIKE", "SIMILAR", "REGEXP":
		return "match text with contains, startsWith, endsWith or matches"
	case "BETWEEN":
		return "write x >= a and x <= b"
	case "CASE", "WHEN", "IF":
		return "decide with: condition ? a : b"
	}
	switch word {
	case "AND", "OR", "NOT", "IN":
		return "operators are written in lower case: " + strings.ToLower(word)
	}
	return ""
}
