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

// column is a column of a source table, as the catalog or a table map describes
// it. Both make the same of the same column, but for sourceType.
type column struct {
	name string
	kind kind
	// unsigned is of integers, decimals and floats.
	unsigned bool
	// charset is the character set of text, enums and sets, empty otherwise.
	charset string
	// width is the length in bytes of BINARY(n), whose values the log brings
	// without the zeros at their end; 0 for everything else.
	width int
	// decimals is the number of fractional digits of seconds.
	decimals int
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
	dataType = strings.ToLower(dataType)
	switch dataType {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint":
		c.kind = kindInteger
	case "year":
		c.kind = kindYear
	case "bit":
		c.kind = kindBit
	case "decimal", "numeric":
		c.kind = kindDecimal
	case "float":
		c.kind = kindFloat
	case "double", "real":
		c.kind = kindDouble
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		c.kind, c.charset = kindText, charset
	case "binary":
		c.kind, c.width = kindBytes, argument(columnType)
	case "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		c.kind = kindBytes
	case "enum", "set":
		c.kind, c.charset, c.members = kindEnum, charset, members(columnType)
		if dataType == "set" {
			c.kind = kindSet
		}
	case "json":
		c.kind = kindJSON
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		c.kind = kindGeometry
	case "date":
		c.kind = kindDate
	case "time", "datetime", "timestamp":
		c.kind = map[string]kind{"time": kindTime, "datetime": kindDateTime, "timestamp": kindTimestamp}[dataType]
		c.decimals = argument(columnType)
	case "uuid":
		c.kind = kindUUID
	case "inet6":
		c.kind = kindINET6
	case "inet4":
		c.kind = kindINET4
	case "vector":
		c.kind = kindVector
	default:
		return c, false
	}
	switch c.kind {
	case kindInteger, kindDecimal, kindFloat, kindDouble:
		c.unsigned = strings.Contains(strings.ToLower(columnType), " unsigned")
	}
	if c.kind == kindText && c.charset == "binary" { // what MariaDB says of some columns
		c.kind, c.charset = kindBytes, ""
	}
	return c, true
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

// same reports whether two columns have the same name and the same values.
func (c *column) same(o *column) bool {
	if c.name != o.name || c.kind != o.kind || c.unsigned != o.unsigned || c.charset != o.charset ||
		c.width != o.width || c.decimals != o.decimals || len(c.members) != len(o.members) {
		return false
	}
	for i := range c.members {
		if c.members[i] != o.members[i] {
			return false
		}
	}
	return true
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
