package mysql

import (
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// kind is how values of a column are made, below its family for the outside.
type kind uint8

const (
	kindInteger kind = iota + 1
	kindYear
	kindBit
	kindDecimal
	kindFloat
	kindDouble
	kindText
	kindBytes
	kindEnum
	kindSet
	kindJSON
	kindGeometry
	kindDate
	kindTime
	kindDateTime
	kindTimestamp
	kindUUID
	kindINET6
	kindINET4
	kindVector
)

// column is a column of a source table, as the catalog or a table map describes it.
type column struct {
	name string
	kind kind
	// field is the type that table maps give the column.
	field uint8
	// unsigned is of integers, decimals and floats.
	unsigned bool
	// charset is the character set of text, enums and sets, empty otherwise.
	charset string
	// width is the length in bytes of BINARY(n), whose values the log brings
	// without the zeros at their end; 0 for everything else.
	width int
	// decimals is the number of fractional digits of seconds.
	decimals int
	// precision and scale are those of a decimal.
	precision, scale int
	// members are those of an enum or set, in UTF-8.
	members []string
	// sourceType is the server's own text ("decimal(12,3) unsigned"), for people.
	sourceType string
}

// family is the column's type for the outside.
func (c *column) family() cdc.Type {
	switch c.kind {
	case kindInteger, kindYear, kindBit:
		return cdc.TypeInteger
	case kindDecimal:
		return cdc.TypeDecimal
	case kindFloat, kindDouble:
		return cdc.TypeFloat
	case kindText, kindEnum, kindSet:
		return cdc.TypeText
	case kindBytes, kindGeometry, kindVector:
		return cdc.TypeBytes
	case kindJSON:
		return cdc.TypeJSON
	case kindDate:
		return cdc.TypeDate
	case kindTime:
		return cdc.TypeTime
	case kindDateTime:
		return cdc.TypeTimestamp
	case kindTimestamp:
		return cdc.TypeTimestampTZ
	case kindUUID:
		return cdc.TypeUUID
	default:
		return cdc.TypeOther
	}
}

// cdcColumn is the column as the outside sees it.
func (c *column) cdcColumn() cdc.Column {
	return cdc.Column{Name: c.name, Type: c.family(), SourceType: c.sourceType}
}

// newColumn makes a column of what information_schema.COLUMNS says: DATA_TYPE,
// COLUMN_TYPE and CHARACTER_SET_NAME (empty for NULL). ok is false for a type that
// is not known.
func newColumn(name, dataType, columnType, charset string) (c column, ok bool) {
	c = column{name: name, sourceType: columnType}
	t, ok := dataTypes[strings.ToLower(dataType)]
	if !ok {
		return c, false
	}
	c.kind, c.field = t.kind, t.field
	switch c.kind {
	case kindText:
		c.charset = charset
	case kindBytes:
		if c.field == fieldString {
			c.width = argument(columnType)
		}
	case kindEnum, kindSet:
		c.charset, c.members = charset, members(columnType)
	case kindTime, kindDateTime, kindTimestamp:
		c.decimals = argument(columnType)
	case kindDecimal:
		c.precision, c.scale = argument(columnType), secondArgument(columnType)
	default:
	}
	switch c.kind {
	case kindInteger, kindDecimal, kindFloat, kindDouble:
		c.unsigned = strings.Contains(strings.ToLower(columnType), " unsigned")
	default:
	}
	if c.kind == kindText && c.charset == "binary" { // what MariaDB says of some columns
		c.kind, c.charset = kindBytes, ""
	}
	return c, true
}

// dataTypes are the types of information_schema.COLUMNS. MariaDB's JSON is a longtext.
var dataTypes = map[string]struct { //nolint:gochecknoglobals // a constant of a map type
	kind  kind
	field uint8
}{
	"tinyint": {kindInteger, fieldTiny}, "smallint": {kindInteger, fieldShort}, "mediumint": {kindInteger, fieldInt24},
	"int": {kindInteger, fieldLong}, "bigint": {kindInteger, fieldLongLong}, "year": {kindYear, fieldYear}, "bit": {kindBit, fieldBit},
	"decimal": {kindDecimal, fieldDecimal}, "float": {kindFloat, fieldFloat}, "double": {kindDouble, fieldDouble},
	"char": {kindText, fieldString}, "varchar": {kindText, fieldVarchar},
	"tinytext": {kindText, fieldBlob}, "text": {kindText, fieldBlob}, "mediumtext": {kindText, fieldBlob}, "longtext": {kindText, fieldBlob},
	"binary": {kindBytes, fieldString}, "varbinary": {kindBytes, fieldVarchar},
	"tinyblob": {kindBytes, fieldBlob}, "blob": {kindBytes, fieldBlob}, "mediumblob": {kindBytes, fieldBlob}, "longblob": {kindBytes, fieldBlob},
	"enum": {kindEnum, fieldEnum}, "set": {kindSet, fieldSet}, "json": {kindJSON, fieldJSON}, "vector": {kindVector, fieldVector},
	"date": {kindDate, fieldDate}, "time": {kindTime, fieldTime2}, "datetime": {kindDateTime, fieldDateTime2}, "timestamp": {kindTimestamp, fieldTimestamp2},
	"geometry": {kindGeometry, fieldGeometry}, "point": {kindGeometry, fieldGeometry}, "linestring": {kindGeometry, fieldGeometry},
	"polygon": {kindGeometry, fieldGeometry}, "multipoint": {kindGeometry, fieldGeometry}, "multilinestring": {kindGeometry, fieldGeometry},
	"multipolygon": {kindGeometry, fieldGeometry}, "geomcollection": {kindGeometry, fieldGeometry}, "geometrycollection": {kindGeometry, fieldGeometry},
	"uuid": {kindUUID, fieldString}, "inet6": {kindINET6, fieldString}, "inet4": {kindINET4, fieldString},
}

// secondArgument returns the second number in the brackets of a type, 0 if it has none.
func secondArgument(columnType string) int {
	_, rest, _ := strings.Cut(columnType, ",")
	digits, _, _ := strings.Cut(rest, ")")
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil {
		return 0
	}
	return n
}

// argument returns the first number in the brackets of a type, 0 if it has none.
func argument(columnType string) int {
	_, rest, _ := strings.Cut(columnType, "(")
	digits, _, _ := strings.Cut(rest, ")")
	digits, _, _ = strings.Cut(digits, ",")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// members returns the strings of "enum('a','it”s')". The server doubles quotes
// and escapes nothing else.
func members(columnType string) []string {
	_, rest, _ := strings.Cut(columnType, "(")
	var out []string
	for len(rest) > 0 && rest[0] == '\'' {
		rest = rest[1:]
		var b strings.Builder
		for len(rest) > 0 {
			if rest[0] == '\'' {
				if !strings.HasPrefix(rest, "''") {
					break
				}
				rest = rest[1:]
			}
			b.WriteByte(rest[0])
			rest = rest[1:]
		}
		out = append(out, b.String())
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "'"), ",")
	}
	return out
}

// description is a table as the catalog has it.
type description struct {
	// name is the name by which the table is wanted.
	name    cdc.TableName
	columns []column
	// key are the names of the columns that identify a row: the primary key, or
	// else the first unique index over columns that are not NULL.
	key []string
	// engine is the storage engine ("InnoDB").
	engine string
}

// column returns the named column, nil if there is none.
func (d *description) column(name string) *column {
	for i := range d.columns {
		if d.columns[i].name == name {
			return &d.columns[i]
		}
	}
	return nil
}
