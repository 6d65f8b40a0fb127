package propose

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// table is a table of the survey with what its names say.
type table struct {
	*survey.Table
	name    name
	columns []*column
}

// column is a column with what its name says and what its sampled values are.
type column struct {
	*survey.Column
	name  name
	tally survey.Tally
}

func newTable(t *survey.Table) *table {
	out := &table{Table: t, name: read(t.Name.Name)}
	for i := range t.Columns {
		c := &t.Columns[i]
		out.columns = append(out.columns, &column{Column: c, name: read(c.Name), tally: t.Sample.Tally(c.Name)})
	}
	return out
}

// column returns the named column, or nil.
func (t *table) column(name string) *column {
	for _, c := range t.columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// fit reports whether the table can be captured and read.
func (t *table) fit() bool { return !t.View && len(t.Key) > 0 && len(t.Problems) == 0 }

// number reports whether the column holds numbers as such.
func (c *column) number() bool {
	switch c.Type {
	case cdc.TypeInteger, cdc.TypeDecimal, cdc.TypeFloat:
		return true
	default:
		return false
	}
}

// expr is the column in an expression.
func (c *column) expr() string { return quote(c.Name) }

// padded reports whether values come with blanks at their end, as those of char(n).
func (c *column) padded() bool {
	return strings.HasPrefix(c.SourceType, "character(") && c.SourceType != "character(1)"
}

// trimmed is the column as a text to compare.
func (c *column) trimmed() string {
	if c.padded() {
		return "trim(" + c.expr() + ")"
	}
	return c.expr()
}

// in is the column of a row that is looked up, as a text to compare.
func (c *column) in(row string) string {
	if c.padded() {
		return "trim(" + row + member(c.Name) + ")"
	}
	return row + member(c.Name)
}

// orZero is the column in a calculation.
func (c *column) orZero() string {
	switch {
	case c.Type == cdc.TypeText && c.NotNull:
		return "number(" + c.expr() + ")"
	case c.Type == cdc.TypeText:
		return "(number(" + c.expr() + ") ?? 0)"
	case c.NotNull:
		return c.expr()
	default:
		return "(" + c.expr() + " ?? 0)"
	}
}

// alone is the column as a whole quantity, where NULL counts as zero.
func (c *column) alone() string {
	if c.Type == cdc.TypeText {
		return "number(" + c.expr() + ")"
	}
	return c.expr()
}

// values are the ones that are declared, or else those that were seen if they are
// few, in alphabetical order so that a new sample changes nothing. seen says that
// they were only seen.
func (c *column) values() (values []string, seen bool) {
	if len(c.Values) > 0 {
		if slices.ContainsFunc(c.Values, func(v string) bool { return !plain(v) }) {
			return nil, false
		}
		return c.Values, false
	}
	if len(c.tally.Values) > maxValues {
		return nil, true
	}
	for _, v := range c.tally.Values {
		if v.Value == "" || len(v.Value) > maxValue || !plain(v.Value) {
			return nil, true
		}
		values = append(values, v.Value)
	}
	slices.SortFunc(values, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a)*boolInt(c.number()), len(b)*boolInt(c.number())), cmp.Compare(a, b))
	})
	return values, true
}

const (
	// maxValues is the most different values of a column that tells kinds of rows apart.
	maxValues = 12
	// maxValue is the longest such value, in bytes.
	maxValue = 40
)

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// flag reports whether the column is a yes or no, and how expressions test it.
type flag struct{ yes, no string }

func (c *column) flag() (flag, bool) {
	x := c.trimmed()
	wrap := func(missing string) string {
		if c.NotNull {
			return x
		}
		return "(" + x + " ?? " + missing + ")"
	}
	switch {
	case c.Type == cdc.TypeBool && c.NotNull:
		return flag{x, "not " + x}, true
	case c.Type == cdc.TypeBool:
		return flag{wrap("false"), "not " + wrap("false")}, true
	case c.Type == cdc.TypeInteger && (c.SourceType == "tinyint(1)" || c.SourceType == "bit(1)" || c.only("0", "1")):
		return flag{x + " == 1", wrap("0") + " == 0"}, true
	case c.Type == cdc.TypeText && c.only("Y", "N"):
		return flag{x + ` == "Y"`, wrap(`"N"`) + ` != "Y"`}, true
	case c.Type == cdc.TypeText && c.only("J", "N"):
		return flag{x + ` == "J"`, wrap(`"N"`) + ` != "J"`}, true
	case c.Type == cdc.TypeText && c.only("T", "F"):
		return flag{x + ` == "T"`, wrap(`"F"`) + ` != "T"`}, true
	case c.Type == cdc.TypeText && c.only("0", "1"):
		return flag{x + ` == "1"`, wrap(`"0"`) + ` != "1"`}, true
	}
	return flag{}, false
}

// only reports whether there are values, and none but these.
func (c *column) only(allowed ...string) bool {
	values, _ := c.values()
	return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(allowed, strings.TrimSpace(v)) })
}

// quantity reports whether the column may be a quantity of something: a number that
// is neither a key, nor a reference, nor of another kind.
func (t *table) quantity(c *column) bool {
	text := c.Type == cdc.TypeText && c.name.says(aQuantity, aStock, isOnHand) && c.tally.Numeric()
	if !c.number() && !text {
		return false
	}
	if _, yes := c.flag(); yes && !c.name.says(aQuantity, aStock, isOnHand) {
		return false
	}
	if c.name.says(anID, aBarcode, aSKU, aTime, aStatus, aName, aUnit, isActive, isDeleted, aTenant) && !c.name.says(aQuantity) {
		return false
	}
	if c.name.says(isAside) && !c.name.says(isSafety, isReorder) {
		return false
	}
	if len(c.name.means) == 0 || slices.Contains(t.Key, c.Name) || t.refers(c) {
		return false
	}
	return c.name.says(aQuantity, aStock, isOnHand, isReserved, isDamaged, isSafety, isReorder, isIncoming, isAvailable, isShipped, isOrdered, isOpen) ||
		c.name.says(aBalance) && t.name.says(aMove, aStock) || c.name.says(isIn, isOut) && t.name.says(aMove, aStock)
}

// refers reports whether the column is part of a foreign key.
func (t *table) refers(c *column) bool {
	return slices.ContainsFunc(t.Foreign, func(f survey.ForeignKey) bool { return slices.Contains(f.Columns, c.Name) })
}

// quote writes the name of a column as expressions have it.
func quote(s string) string {
	plain := s != "" && !strings.Contains(reserved, " "+s+" ")
	for i, r := range s {
		plain = plain && (r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9')
	}
	if plain {
		return s
	}
	return "`" + s + "`"
}

// member writes what follows the row of a lookup to name one of its columns.
func member(column string) string {
	if quote(column) == column {
		return "." + column
	}
	return "[" + text(column) + "]"
}

// reserved are the words of expressions that are no columns unless they are quoted.
const reserved = " true false null nil TRUE FALSE NULL not in and or matches contains startsWith endsWith let if else const "

// quotable reports whether expressions can name the column at all.
func quotable(s string) bool {
	return !strings.ContainsAny(s, "`\\") && plain(s)
}

// plain reports whether a text can stand in a line of a configuration, which takes
// ${ for a variable.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "${") && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// text writes a text of an expression.
func text(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
