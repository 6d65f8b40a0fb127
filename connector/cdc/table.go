package cdc

import "strings"

// Type is the family of a column's values. It says how the text of a Value is
// to be read, not how the source stores it.
type Type uint8

// The families of column types. Each names the canonical text that an adapter
// must deliver, the same for streamed changes and for rows that it reads.
const (
	// TypeText is character data: the characters themselves, UTF-8.
	TypeText Type = iota + 1
	// TypeBool is "t" or "f".
	TypeBool
	// TypeInteger is an optional minus sign and decimal digits.
	TypeInteger
	// TypeDecimal is a plain decimal number ("-12.500"), or "NaN", "Infinity", "-Infinity".
	TypeDecimal
	// TypeFloat is a binary floating-point number in its shortest round-trip
	// decimal form, possibly with an exponent, or "NaN", "Infinity", "-Infinity".
	TypeFloat
	// TypeBytes is lower-case hexadecimal without a prefix.
	TypeBytes
	// TypeDate is "YYYY-MM-DD", or what the source has for values outside it.
	TypeDate
	// TypeTime is "HH:MM:SS[.ffffff]" with an offset where the source keeps one.
	TypeTime
	// TypeTimestamp is "YYYY-MM-DD HH:MM:SS[.ffffff]" without a zone.
	TypeTimestamp
	// TypeTimestampTZ is the same in UTC, with the suffix "+00".
	TypeTimestampTZ
	// TypeUUID is the 36-character lower-case form.
	TypeUUID
	// TypeJSON is the document as the source prints it.
	TypeJSON
	// TypeOther is everything else, in the source's own text form.
	TypeOther
)

var typeNames = [...]string{ //nolint:gochecknoglobals // a constant of an array type
	"", "text", "bool", "integer", "decimal", "float", "bytes", "date", "time",
	"timestamp", "timestamptz", "uuid", "json", "other",
}

// String returns the lower-case name of t as configuration and errors show it.
func (t Type) String() string {
	if int(t) < len(typeNames) && t > 0 {
		return typeNames[t]
	}
	return "unknown"
}

// TableName names a table in its source: PostgreSQL's schema or MySQL's
// database, and the table. Both are as the source stores them, unquoted.
type TableName struct {
	Schema string
	Name   string
}

// ParseTableName splits "schema.table" at the first dot that is not inside
// double quotes or backticks, and removes such quotes. A name without a dot
// has an empty Schema. Quotes count only where they enclose a whole part.
func ParseTableName(s string) TableName {
	if schema, rest, ok := cutQuoted(s); ok && rest == "" {
		return TableName{Name: schema}
	} else if ok && rest[0] == '.' {
		return TableName{Schema: schema, Name: unquoted(rest[1:])}
	}
	schema, name, ok := strings.Cut(s, ".")
	if !ok {
		return TableName{Name: s}
	}
	return TableName{Schema: schema, Name: unquoted(name)}
}

// unquoted returns s without the quotes that enclose it, if any do.
func unquoted(s string) string {
	if name, rest, ok := cutQuoted(s); ok && rest == "" {
		return name
	}
	return s
}

// cutQuoted returns the quoted identifier that s begins with, without its
// quotes, and what follows it.
func cutQuoted(s string) (identifier, rest string, ok bool) {
	if s == "" || (s[0] != '"' && s[0] != '`') {
		return "", "", false
	}
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", "", false
}

// String returns "schema.table", quoting a part that contains a dot or a quote
// so that ParseTableName gives the same TableName back.
func (n TableName) String() string {
	if n.Schema == "" {
		return quotePart(n.Name)
	}
	return quotePart(n.Schema) + "." + quotePart(n.Name)
}

func quotePart(s string) string {
	if !strings.ContainsAny(s, ".\"`") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// Column is one captured column of a table.
type Column struct {
	Name string
	Type Type
	// SourceType is the source's own name of the type, for people ("numeric(12,3)").
	SourceType string
}

// Table describes the captured columns of a source table at one moment. A
// schema change in the source produces a new Table; a Table is never modified,
// so a pointer to it identifies a version and may be used as a map key.
type Table struct {
	Name TableName
	// Columns holds the columns that the capture asked for and those of the key, in source order.
	Columns []Column
	// Key holds the indexes into Columns that identify a row, in key order. It
	// is never empty: a table without a usable key is refused by the adapter.
	Key []int
}

// Column returns the index of the named column, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Wanted maps each table that a source must capture to the columns that the
// mapping names. Adapters add the key columns themselves and decode no others.
type Wanted map[TableName][]string
