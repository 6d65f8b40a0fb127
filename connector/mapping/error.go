package mapping

import (
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// Error is one thing that is wrong with a mapping.
type Error struct {
	// File and Place say where it stands, as far as that is known.
	File  string
	Place Place
	Table cdc.TableName
	// Path is the place within the table's mapping: "contributes[0].sku".
	Path string
	// Reason says what is wrong, and what to write instead where that is known.
	Reason string
}

// Error returns "file:line:column: table t: path: reason". What is about no table
// names none.
func (e *Error) Error() string {
	where := e.File
	if e.Place.File != "" {
		where = ""
	}
	if e.Place != (Place{}) {
		where += ":" + e.Place.String()
	}
	if where = strings.TrimPrefix(where, ":"); where != "" {
		where += ": "
	}
	if e.Table != (cdc.TableName{}) {
		where += "table " + e.Table.String() + ": "
	}
	return fmt.Sprintf("%s%s: %s", where, e.Path, e.Reason)
}

// Errors is everything that is wrong with a mapping, in the order of its rules
// and of their fields.
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

// fault is something wrong at one place in an expression.
type fault struct {
	// at counts characters from the beginning of the expression.
	at     int
	reason string
}

func faultAt(at int, format string, args ...any) *fault {
	return &fault{at, fmt.Sprintf(format, args...)}
}

// in returns the Error for f in v.
func (f *fault) in(v *Value) (Place, string) {
	place := v.Place
	if v.Inline && place != (Place{}) {
		place.Column += f.at
		return place, f.reason
	}
	if f.at > 0 {
		return place, fmt.Sprintf("at character %d: %s", f.at+1, f.reason)
	}
	return place, f.reason
}
