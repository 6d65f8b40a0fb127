package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tailstock/connector/mapping"
)

// Error is one thing that is wrong with a file.
type Error struct {
	File string
	// Line and Column are counted from 1, the column in characters. Both are 0
	// when the file could not be read at all.
	Line, Column int
	// Path leads to the value by the keys of the file: "sources.erp.postgres.dsn".
	// It is empty for what concerns the file as a whole.
	Path string
	// Reason says what is wrong and, where that is known, what to write instead.
	// It holds no value that came from a variable or from a file of secrets.
	Reason string
}

// Error returns "file:line:column: path: reason".
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", e.Line, e.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	return b.String() + e.Reason
}

// Errors is everything that is wrong with a file, in the order of its lines. What
// is wrong with a preset that it uses stands behind, and names the preset's file.
type Errors []*Error

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single errors.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

// sort puts e into the order of the file, and what is in files of presets behind it.
func (e Errors) sort(file string) {
	foreign := func(e *Error) string {
		if e.File == file {
			return ""
		}
		return e.File
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(foreign(a), foreign(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// maxReason is the longest path or reason of an error, in bytes.
const maxReason = 4_000

// printable returns s on one line and not too long.
func printable(s string) string {
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "..."
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return utf8.RuneError
		}
		return c
	}, s)
}

// place is a line and column, as mappings know them.
type place = mapping.Place

// start is the place of what concerns the file as a whole.
func start() place { return place{Line: 1, Column: 1} }
