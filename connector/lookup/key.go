package lookup

import (
	"encoding/json"
	"slices"
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

// AppendValue appends a value to the key of several columns that is in b, whose
// first value is appended to an empty b. Such a key is a JSON array of the values as
// Key has them; the key of one column is its value alone.
func AppendValue(b []byte, v cdc.Value) []byte {
	if len(b) == 0 {
		b = append(b, '[')
	} else {
		b[len(b)-1] = ','
	}
	if v.IsNull() {
		b = append(b, "null"...)
	} else {
		b = cdc.AppendJSONString(b, v.Text())
	}
	return append(b, ']')
}

// JoinKey returns the key of values, which Key has passed. That of one NULL is
// empty, and names nothing.
func JoinKey(values ...cdc.Value) string {
	if len(values) == 1 {
		return values[0].Text()
	}
	var b []byte
	for _, v := range values {
		b = AppendValue(b, v)
	}
	return string(b)
}

// SplitKey returns the n values of a key, nil if it has not so many.
func SplitKey(key string, n int) []cdc.Value {
	if n == 1 {
		return []cdc.Value{cdc.Text(key)}
	}
	var texts []*string
	if err := json.Unmarshal([]byte(key), &texts); err != nil || len(texts) != n {
		return nil
	}
	out := make([]cdc.Value, n)
	for i, text := range texts {
		if text != nil {
			out[i] = cdc.Text(*text)
		} else {
			out[i] = cdc.Null
		}
	}
	return out
}

// columnsOf are the places of the columns that make up keys.
type columnsOf []int

// key appends the key that a row's columns have to b, and reports whether it can
// name anything: one column that is NULL names nothing, nor do several all of which are.
func (c columnsOf) key(b []byte, value func(column int) cdc.Value) ([]byte, bool) {
	if len(c) == 1 {
		v := value(c[0])
		return append(b, v.Text()...), !v.IsNull()
	}
	names := false
	for _, column := range c {
		v := value(column)
		names = names || !v.IsNull()
		b = AppendValue(b, v)
	}
	return b, names
}

func (c columnsOf) equal(other []int) bool { return slices.Equal(c, other) }
