package mysql

import "strings"

// tokens cuts a statement into words and marks. Comments vanish, but for those
// that the server executes (/*! and /*M!), whose contents stand as if they were
// none.
type tokens struct {
	text string
	// inside counts executed comments that are open.
	inside int
}

// tokenKind tells tokens apart.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	// tokenName is a quoted identifier, tokenText a string.
	tokenName
	tokenText
	tokenMark
)

// sqlToken is a word, upper-cased in upper, or a mark.
type sqlToken struct {
	kind  tokenKind
	text  string
	upper string
}

func (t *tokens) next() sqlToken {
	t.blank()
	if t.text == "" {
		return sqlToken{}
	}
	switch c := t.text[0]; {
	case c == '`':
		return sqlToken{kind: tokenName, text: t.quoted('`', false)}
	case c == '\'':
		return sqlToken{kind: tokenText, text: t.quoted('\'', true)}
	case c == '"': // a name under ANSI_QUOTES, a string otherwise: the place tells
		return sqlToken{kind: tokenText, text: t.quoted('"', true)}
	case wordByte(c):
		n := 1
		for n < len(t.text) && wordByte(t.text[n]) {
			n++
		}
		word := t.text[:n]
		t.text = t.text[n:]
		return sqlToken{kind: tokenWord, text: word, upper: strings.ToUpper(word)}
	default:
		t.text = t.text[1:]
		return sqlToken{kind: tokenMark, text: string(c)}
	}
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c == '@' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// blank drops white space and comments.
func (t *tokens) blank() {
	for t.text != "" {
		s := t.text
		switch {
		case s[0] <= ' ':
			t.text = s[1:]
		case s[0] == '#' || strings.HasPrefix(s, "--") && (len(s) == 2 || s[2] <= ' '):
			_, t.text, _ = strings.Cut(s, "\n")
		case strings.HasPrefix(s, "/*!"), strings.HasPrefix(s, "/*M!"):
			t.inside++
			_, s, _ = strings.Cut(s, "!")
			t.text = strings.TrimLeft(s, "0123456789")
		case strings.HasPrefix(s, "/*"):
			_, t.text, _ = strings.Cut(s[2:], "*/")
		case t.inside > 0 && strings.HasPrefix(s, "*/"):
			t.inside--
			t.text = s[2:]
		default:
			return
		}
	}
}

// quoted takes what stands between quotes. A doubled quote is one; in strings, a
// backslash takes the next character with it.
func (t *tokens) quoted(quote byte, escapes bool) string {
	var b strings.Builder
	s := t.text[1:]
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && escapes && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == quote && i+1 < len(s) && s[i+1] == quote:
			i++
			b.WriteByte(quote)
		case c == quote:
			t.text = s[i+1:]
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	t.text = ""
	return b.String()
}

// peek returns the next token without taking it.
func (t *tokens) peek() sqlToken {
	ahead := *t
	return ahead.next()
}

// skip takes the given words as far as they follow in this order.
func (t *tokens) skip(words ...string) bool {
	taken := false
	for _, w := range words {
		if t.peek().upper == w {
			t.next()
			taken = true
		}
	}
	return taken
}
