package cdc

// valueState says what is known of a value. The zero Value is NULL.
type valueState uint8

const (
	stateNull valueState = iota
	stateUnchanged
	statePresent
)

// Value is one column's value in the canonical text of its column's Type. The
// zero Value is NULL. Values are immutable and safe to share.
type Value struct {
	text  string
	state valueState
}

// Null is SQL NULL.
var Null = Value{} //nolint:gochecknoglobals // a constant of a struct type

// Unchanged stands for a value that the source did not send because the
// statement left it as it was: PostgreSQL's unchanged TOAST, MySQL's MINIMAL
// row image. It is not NULL and must be completed before it is mapped.
var Unchanged = Value{state: stateUnchanged} //nolint:gochecknoglobals // a constant of a struct type

// Text returns the Value with canonical text s.
func Text(s string) Value { return Value{text: s, state: statePresent} }

// IsNull reports whether v is SQL NULL.
func (v Value) IsNull() bool { return v.state == stateNull }

// IsUnchanged reports whether the source left v out.
func (v Value) IsUnchanged() bool { return v.state == stateUnchanged }

// Text returns the canonical text, empty for NULL and unchanged values.
func (v Value) Text() string { return v.text }

// String returns the text for people: NULL and unchanged values are shown as such.
func (v Value) String() string {
	switch v.state {
	case stateNull:
		return "NULL"
	case stateUnchanged:
		return "(unchanged)"
	default:
		return v.text
	}
}

// Row holds one Value for each of its Table's Columns, in that order.
type Row []Value

// Complete reports whether no value of r is Unchanged.
func (r Row) Complete() bool {
	for i := range r {
		if r[i].state == stateUnchanged {
			return false
		}
	}
	return true
}
