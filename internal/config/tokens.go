package config

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Limits on what the YAML parser is given. It recurses into what nests, and its
// time grows with the square of a mapping's keys: 20 s for 100,000.
const (
	maxNesting = 32
	maxKeys    = 20_000
	// maxKey is the longest key, in bytes: twice PostgreSQL's longest name, all
	// of it quotes, with room.
	maxKey = 1_000
)

// check refuses, before anything is parsed, what a configuration has no use for
// and what would take the parser long.
func (r *reader) check(tokens token.Tokens) {
	s := tokenScan{reader: r}
	for _, t := range tokens {
		if t.Type == token.InvalidType {
			return // the parser says what is wrong with it
		}
		if s.token(t); len(r.errs) > 0 {
			return
		}
	}
}

// tokenScan is where check stands in the file.
type tokenScan struct {
	*reader
	keys, brackets int
	// line is that of the last token, dashes how many list items began on it.
	line, dashes int
}

func (s *tokenScan) token(t *token.Token) {
	at := s.clamp(t)
	if at.Line != s.line {
		s.line, s.dashes = at.Line, 0
	}
	switch t.Type {
	case token.TagType:
		s.report(at, "tags like %s are not supported; the key decides what kind of value it has", t.Value)
	case token.MergeKeyType:
		s.report(at, "merge keys (<<) are not supported; an alias stands for a whole value: tables: *shop")
	case token.DirectiveType:
		s.report(at, "directives (%%) are not supported; remove the line")
	case token.MappingKeyType:
		s.report(at, "keys behind ? are not supported; write key: value")
	case token.MappingValueType:
		if s.keys++; s.keys > maxKeys {
			s.report(at, "has more than %d keys", maxKeys)
		}
	case token.MappingStartType, token.SequenceStartType:
		s.open(t, at)
	case token.MappingEndType, token.SequenceEndType:
		s.brackets--
	case token.SequenceEntryType, token.AnchorType:
		s.dashes++
	default:
	}
	if s.brackets > maxNesting || s.dashes > maxNesting {
		s.report(at, "nests deeper than %d", maxNesting)
	}
}

// open counts a bracket, unless it is one of a variable that lacks its quotes.
func (s *tokenScan) open(t *token.Token, at place) {
	if t.Type == token.MappingStartType && t.Prev != nil && strings.HasSuffix(t.Prev.Value, "$") {
		s.report(at, `a variable inside braces or brackets stands in quotes: "${NAME}"`)
		return
	}
	s.brackets++
}
