package mysql

import (
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// whereSQL renders a condition. Names are quoted, and literals are parameters:
// nothing of a condition is SQL.
type whereSQL struct {
	plan *chunkPlan
	sql  strings.Builder
	args []any
}

func (w *whereSQL) condition(c *cdc.Condition) error {
	if c.Op == cdc.ConditionAnd || c.Op == cdc.ConditionOr || c.Op == cdc.ConditionNot {
		return w.joined(c)
	}
	column, err := w.column(c)
	if err != nil {
		return err
	}
	w.sql.WriteString(tested(column))
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

// tested returns the column as it is compared: text by its characters, whatever
// its character set and collation, as mappings compare it. A literal that the
// column's character set lacks is then another text, and no error.
func tested(c *column) string {
	if c.kind == kindText || c.kind == kindEnum || c.kind == kindSet {
		return "CONVERT(" + quoteName(c.name) + " USING utf8mb4) COLLATE utf8mb4_bin"
	}
	return quoteName(c.name)
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
func (w *whereSQL) column(c *cdc.Condition) (*column, error) {
	var names []string
	for _, column := range w.plan.columns {
		if column.name == c.Column {
			return column, nil
		}
		names = append(names, column.name)
	}
	return nil, fmt.Errorf("column %q is not one of those that are captured, which are %s", c.Column, quoteNames(names))
}

func (w *whereSQL) list(column *column, values []cdc.Literal) error {
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
func (w *whereSQL) literal(column *column, l cdc.Literal) error {
	wanted, placeholder := cdc.TypeText, "?"
	switch column.family() {
	case cdc.TypeInteger, cdc.TypeDecimal, cdc.TypeFloat:
		wanted, placeholder = cdc.TypeDecimal, "CAST(? AS DECIMAL(65,30))"
	case cdc.TypeBytes:
		placeholder = "UNHEX(?)"
	default:
	}
	if l.Type != wanted {
		return fmt.Errorf("column %q is compared with %s, and is %s", column.name, typeWords(l.Type), typeWords(wanted))
	}
	text := l.Text
	if column.kind == kindTimestamp {
		text = strings.TrimSuffix(text, "+00")
	}
	w.args = append(w.args, text)
	w.sql.WriteString(placeholder)
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
