package mapping

import (
	"strconv"
	"unicode/utf8"
)

// failure says why an expression has no value for a row. It travels beside the
// value: nil when there is one.
type failure struct {
	reason string
	// unresolved says that a row of a lookup has not arrived.
	unresolved bool
}

// null is the failure of a value that is NULL. Operators pass it on like any
// failure, which is SQL's rule; those that know what to do with NULL compare with it.
var null = &failure{reason: "NULL"} //nolint:gochecknoglobals // a constant of a pointer type

func failed(reason string) *failure { return &failure{reason: reason} }

// maxShown is how many bytes of a value a reason shows.
const maxShown = 48

// shown quotes s for a reason, shortened.
func shown(s string) string {
	if len(s) <= maxShown {
		return strconv.Quote(s)
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "... (" + strconv.Itoa(len(s)) + " bytes)"
}
