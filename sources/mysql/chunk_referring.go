package mysql

import (
	"fmt"
	"strings"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// referringSQL returns the index by which rows are found that refer to others, the
// condition for them, and its parameters. The condition may be true for more rows:
// what the column's collation takes for the same is not, for refers tells them
// apart. Without an index, all rows are read and refers alone decides.
func (p *chunkPlan) referringSQL(r *backfill.Referring) (index, condition string, params []any, err error) {
	i := p.table.Column(r.Column)
	switch {
	case i < 0:
		return "", "", nil, fmt.Errorf("column %q is not one of those that are captured", r.Column)
	case len(r.Values) == 0 || len(r.Values) > backfill.MaxReferring:
		return "", "", nil, fmt.Errorf("%d values to refer to, want 1 to %d", len(r.Values), backfill.MaxReferring)
	}
	column := keyColumn{column: p.columns[i], collation: p.collations[i]}
	if index = p.leading[r.Column]; index == "" || !column.findable() {
		return "", "", nil, nil
	}
	for _, v := range r.Values {
		if param, err := column.parameter(v); err == nil { // otherwise no value of the column is that
			params = append(params, param)
		}
	}
	if len(params) == 0 {
		return index, "1 = 0", nil, nil
	}
	// Few lengths make few statements, which are kept prepared.
	for n := 1; n < backfill.MaxReferring && len(params) != n; n *= 2 {
		if n > len(params) {
			params = append(params, params[0])
		}
	}
	placeholders := strings.Repeat(", "+column.placeholder(), len(params))[len(", "):]
	return index, quoteName(r.Column) + " IN (" + placeholders + ")", params, nil
}

// findable reports whether an index finds rows by canonical texts of the column:
// those of the others may stand for several values, or compare as something else.
func (k *keyColumn) findable() bool {
	switch k.kind {
	case kindInteger, kindYear, kindBit, kindDecimal, kindText, kindBytes, kindUUID:
		return true
	default:
		return false
	}
}

// refers returns what tells the rows that refer to a value of r: those whose column
// has just that text. It is true for all rows if r is nil.
func (p *chunkPlan) refers(r *backfill.Referring) func(cdc.Row) bool {
	if r == nil {
		return func(cdc.Row) bool { return true }
	}
	i := p.table.Column(r.Column)
	values := make(map[string]bool, len(r.Values))
	for _, v := range r.Values {
		values[p.columns[i].compared(v)] = true
	}
	return func(row cdc.Row) bool { return !row[i].IsNull() && values[p.columns[i].compared(row[i].Text())] }
}

// compared is a canonical text as mappings compare it with keys of other tables:
// decimals by their value, whatever their scale.
func (c *column) compared(text string) string {
	if c.kind == kindDecimal && strings.Contains(text, ".") {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
