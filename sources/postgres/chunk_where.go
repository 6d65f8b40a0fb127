package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// selectSQL returns the statement that reads what where selects of the rows that
// query yields in the order of the key, and the parameters of both. Rows are
// counted and cut off before they are selected: so a chunk takes as long as any
// other, however few of its rows are wanted, and the last row that was looked at
// is known. Behind its columns each row has whether it is selected, and its place
// among those that were looked at; the last one comes in any case.
func (p *chunkPlan) selectSQL(query string, params [][]byte, where *cdc.Condition) (string, [][]byte, error) {
	w := whereSQL{plan: p, params: params}
	if err := w.condition(where); err != nil {
		return "", nil, fmt.Errorf("condition: %w", err)
	}
	var names strings.Builder
	for i := range p.relation.columns {
		fmt.Fprintf(&names, "d%d, ", i+1)
	}
	return fmt.Sprintf(`SELECT %skeep, at FROM (
		SELECT c.*, (%s) IS TRUE, row_number() OVER w, lead(true) OVER w IS NULL FROM (%s) AS c WINDOW w AS (ORDER BY %s)
		) AS d(%skeep, at, last) WHERE keep OR last ORDER BY at`,
		names.String(), w.sql.String(), query, p.orderSQL("c."), names.String()), w.params, nil
}

// whereSQL renders a condition. Names are quoted, and literals are parameters:
// nothing of a condition is SQL.
type whereSQL struct {
	plan   *chunkPlan
	sql    strings.Builder
	params [][]byte
}

func (w *whereSQL) condition(c *cdc.Condition) error {
	if c.Op == cdc.ConditionAnd || c.Op == cdc.ConditionOr || c.Op == cdc.ConditionNot {
		return w.joined(c)
	}
	column, err := w.column(c)
	if err != nil {
		return err
	}
	w.sql.WriteString("c." + quoteName(c.Column))
	switch c.Op {
	case cdc.ConditionNull:
		w.sql.WriteString(" IS NULL")
		return nil
	case cdc.ConditionNotNull:
		w.sql.WriteString(" IS NOT NULL")
		return nil
	case cdc.ConditionIn:
		return w.list(column, c.Values)
	default:
	}
	operator, ok := map[cdc.ConditionOp]string{
		cdc.ConditionEqual: "=", cdc.ConditionNotEqual: "<>",
		cdc.ConditionLess: "<", cdc.ConditionLessEqual: "<=", cdc.ConditionGreater: ">", cdc.ConditionGreaterEqual: ">=",
	}[c.Op]
	if !ok || len(c.Values) != 1 {
		return fmt.Errorf("operator %d with %d values is not known", c.Op, len(c.Values))
	}
	w.sql.WriteString(" " + operator + " ")
	return w.literal(column, c.Values[0])
}

func (w *whereSQL) joined(c *cdc.Condition) error {
	word, ok := map[cdc.ConditionOp]string{cdc.ConditionAnd: " AND ", cdc.ConditionOr: " OR ", cdc.ConditionNot: ""}[c.Op]
	if !ok || len(c.Args) == 0 || c.Op == cdc.ConditionNot && len(c.Args) != 1 {
		return fmt.Errorf("operator %d with %d operands is not known", c.Op, len(c.Args))
	}
	if c.Op == cdc.ConditionNot {
		w.sql.WriteString("NOT ")
	}
	for i, a := range c.Args {
		if i > 0 {
			w.sql.WriteString(word)
		}
		w.sql.WriteByte('(')
		if err := w.condition(a); err != nil {
			return err
		}
		w.sql.WriteByte(')')
	}
	return nil
}

// column finds the tested column, which must be one of those that are read.
func (w *whereSQL) column(c *cdc.Condition) (*cdc.Column, error) {
	columns := w.plan.table.Columns
	i := w.plan.table.Column(c.Column)
	if i >= 0 {
		return &columns[i], nil
	}
	var names []string
	for i := range columns {
		names = append(names, columns[i].Name)
	}
	return nil, fmt.Errorf("column %q is not one of those that are captured, which are %s", c.Column, quoteNames(names))
}

func (w *whereSQL) list(column *cdc.Column, values []cdc.Literal) error {
	w.sql.WriteString(" IN (")
	for i, v := range values {
		if i > 0 {
			w.sql.WriteString(", ")
		}
		if err := w.literal(column, v); err != nil {
			return err
		}
	}
	w.sql.WriteByte(')')
	return nil
}

// literal writes a parameter. A number is compared as one, whatever numeric type
// the column has; what a text means, the column's type decides.
func (w *whereSQL) literal(column *cdc.Column, l cdc.Literal) error {
	wanted, cast := cdc.TypeText, ""
	switch column.Type {
	case cdc.TypeInteger, cdc.TypeDecimal, cdc.TypeFloat:
		wanted, cast = cdc.TypeDecimal, "::numeric"
	case cdc.TypeBool:
		wanted = cdc.TypeBool
	default:
	}
	if l.Type != wanted {
		return fmt.Errorf("column %q is compared with %s, and is %s", column.Name, typeWords(l.Type), typeWords(wanted))
	}
	w.params = append(w.params, []byte(literal(column.Type, l.Text)))
	w.sql.WriteString("$" + strconv.Itoa(len(w.params)) + cast)
	return nil
}

func typeWords(t cdc.Type) string {
	switch t {
	case cdc.TypeDecimal:
		return "a number"
	case cdc.TypeBool:
		return "true or false"
	default:
		return "text (in quotes)"
	}
}

// readSelected reads the rows of a chunk by a statement of selectSQL into c.
func (p *chunkPlan) readSelected(ctx context.Context, conn *chunkConn, r *backfill.Request, c *backfill.Chunk) error {
	query, params, err := p.rowsSQL(r)
	if err != nil {
		return err
	}
	rows := chunkRows{table: p.table}
	result := conn.PgConn().ExecParams(ctx, query, params, nil, nil, nil)
	n := len(p.relation.columns)
	var malformed error
	for result.NextRow() {
		values := result.Values()
		at, err := strconv.Atoi(string(values[n+1]))
		malformed = errors.Join(malformed, err)
		rows.add(values[:n])
		c.Scanned, c.Last = at, p.keyOf(rows.rows[len(rows.rows)-1])
		if string(values[n]) != "t" {
			rows.rows = slices.Delete(rows.rows, len(rows.rows)-1, len(rows.rows))
		}
	}
	if _, err := result.Close(); err != nil {
		return err
	}
	c.Rows = rows.rows
	return malformed
}

// keyOf is the key of a row of the plan's table.
func (p *chunkPlan) keyOf(row cdc.Row) backfill.Key {
	key := make(backfill.Key, len(p.table.Key))
	for i, column := range p.table.Key {
		key[i] = row[column].Text()
	}
	return key
}
