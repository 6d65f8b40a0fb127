package lookup

import (
	"strings"

	"tailstock/connector/cdc"
)

// Key is the text by which a value of a column of type t is found, whichever
// column it stands in: decimals of different scales name the same row.
func Key(t cdc.Type, text string) string {
	if t == cdc.TypeDecimal && strings.IndexByte(text, '.') >= 0 {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Comparable reports whether a value of a column of type a can name a row whose
// key has type b.
func Comparable(a, b cdc.Type) bool {
	whole := func(t cdc.Type) bool { return t == cdc.TypeInteger || t == cdc.TypeDecimal }
	return a == b && a != cdc.TypeFloat || whole(a) && whole(b)
}
