package mapping

import (
	"fmt"

	"tailstock/connector/inventory"
)

// Spec is the mapping of one table as it was configured: plain data.
type Spec struct {
	// File names the file that the mapping came from, for errors. It may be empty.
	File string
	// Place is where the mapping stands in File.
	Place Place
	// Contributes holds the rules. Every row is put to all of them.
	Contributes []Rule
	// Vocabulary is what expressions may name besides columns; nil for nothing. It
	// must be what its Check calls sound, and stay as it is.
	Vocabulary *Vocabulary
}

// Rule says what a row contributes to one cell: one leg of the row.
type Rule struct {
	Place Place
	// Leg names the rule within its mapping, 1 to inventory.MaxName bytes. One
	// rule of a mapping may go without a name; it is called "stock".
	Leg Value
	// When is the condition under which the rule applies. Without one it always does.
	When Value
	// SKU and Location are the cell. Both are required, but for a location where the
	// vocabulary has one.
	SKU      Value
	Location Value
	// Quantities holds an expression for each kind. One at least is required; the others are zero.
	Quantities [inventory.Kinds]Value
	// ValidFrom and ValidUntil are the dates or times between which the contribution
	// counts. Without one it has no such bound.
	ValidFrom, ValidUntil Value
}

// Value is a text out of a configuration file.
type Value struct {
	Text  string
	Place Place
	// Inline says that Text stands in the file from Place on exactly as it is,
	// on one line, so that errors can point into it.
	Inline bool
}

// absent reports whether v was not given at all.
func (v *Value) absent() bool { return v.Text == "" && v.Place == Place{} }

// Place is a line and column in a file, both counted from 1. The zero Place is unknown.
type Place struct {
	// File names the file, if it is another than that of the whole.
	File   string
	Line   int
	Column int
}

// String returns "line:column" behind the file if it has one, or "" for an unknown place.
func (p Place) String() string {
	if p == (Place{}) {
		return ""
	}
	at := fmt.Sprintf("%d:%d", p.Line, p.Column)
	if p.File != "" {
		at = p.File + ":" + at
	}
	return at
}
