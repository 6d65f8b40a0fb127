package mysql

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// referringSQL returns the index by which rows are found that refer to others, the
// condition for them, and its parameters. The condition may be true for more rows:
// what the columns' collations take for the same is not, for refers tells them
// apart. Without an index, all rows are read and refers alone decides.
func (p *chunkPlan) referringSQL(r *backfill.Referring) (index, condition string, params []any, err error) {
	if err := r.Check(); err != nil {
		return "", "", nil, err
	}
	var findable []string
	for _, name := range r.Columns {
		i := p.table.Column(name)
		if i < 0 {
			return "", "", nil, fmt.Errorf("column %q is not one of those that are captured", name)
		}
		if p.keyColumnAt(i).findable() {
			findable = append(findable, name)
		}
	}
	best, n := p.indexOn(findable)
	if n == 0 {
		return "", "", nil, nil
	}
	var conditions []string
	for at, name := range r.Columns {
		if !slices.Contains(findable, name) {
			continue
		}
		condition, values := p.oneOf(name, r.Texts(at))
		conditions, params = append(conditions, condition), append(params, values...)
	}
	return best.name, strings.Join(conditions, " AND "), params, nil
}

// keyColumnAt is a column as rows are found by it.
func (p *chunkPlan) keyColumnAt(i int) *keyColumn {
	return &keyColumn{column: p.columns[i], collation: p.collations[i]}
}

// oneOf returns the condition that a column has one of some canonical texts.
func (p *chunkPlan) oneOf(name string, texts []string) (condition string, params []any) {
	column := p.keyColumnAt(p.table.Column(name))
	for _, v := range texts {
		if param, err := column.parameter(v); err == nil { // otherwise no value of the column is that
			params = append(params, param)
		}
	}
	if len(params) == 0 {
		return "1 = 0", nil
	}
	// Few lengths make few statements, which are kept prepared.
	for n := 1; n < backfill.MaxReferring && len(params) != n; n *= 2 {
		if n > len(params) {
			params = append(params, params[0])
		}
	}
	placeholders := strings.Repeat(", "+column.placeholder(), len(params))[len(", "):]
	return quoteName(name) + " IN (" + placeholders + ")", params
}

// indexOn returns the index that begins with the most of columns, in whatever order,
// and with how many: zero if none begins with one.
func (p *chunkPlan) indexOn(columns []string) (best indexFacts, n int) {
	for _, i := range p.finding {
		begins := 0
		for begins < len(i.columns) && i.columns[begins] != "" && slices.Contains(columns, i.columns[begins]) {
			begins++
		}
		if begins > n || begins > 0 && begins == n && i.primary() {
			best, n = i, begins
		}
	}
	return best, n
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

// refers returns what tells the rows that refer to a value of r: those whose columns
// have just those texts. It is true for all rows if r is nil.
func (p *chunkPlan) refers(r *backfill.Referring) func(cdc.Row) bool {
	if r == nil {
		return func(cdc.Row) bool { return true }
	}
	places := make([]int, len(r.Columns))
	for i, name := range r.Columns {
		places[i] = p.table.Column(name)
	}
	var b []byte
	add := func(at int, text string) {
		text = p.columns[at].compared(text)
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	values := make(map[string]bool, len(r.Values))
	for _, texts := range r.Values {
		b = b[:0]
		for i, text := range texts {
			add(places[i], text)
		}
		values[string(b)] = true
	}
	return func(row cdc.Row) bool {
		b = b[:0]
		for _, at := range places {
			if row[at].IsNull() {
				return false
			}
			add(at, row[at].Text())
		}
		return values[string(b)]
	}
}

// compared is a canonical text as mappings compare it with keys of other tables:
// decimals by their value, whatever their scale.
func (c *column) compared(text string) string {
	if c.kind == kindDecimal && strings.Contains(text, ".") {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
