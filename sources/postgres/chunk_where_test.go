package postgres_test

import (
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// literals of a condition
func number(s string) cdc.Literal { return cdc.Literal{Type: cdc.TypeDecimal, Text: s} }
func text(s string) cdc.Literal   { return cdc.Literal{Type: cdc.TypeText, Text: s} }
func truth(s string) cdc.Literal  { return cdc.Literal{Type: cdc.TypeBool, Text: s} }

func tests(op cdc.ConditionOp, column string, values ...cdc.Literal) *cdc.Condition {
	return &cdc.Condition{Op: op, Column: column, Values: values}
}

func joins(op cdc.ConditionOp, args ...*cdc.Condition) *cdc.Condition {
	return &cdc.Condition{Op: op, Args: args}
}

// TestChunkWhere reads the rows for which a condition is true, in chunks of two.
func TestChunkWhere(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TYPE color AS ENUM ('red', 'blue'); CREATE TABLE stock (
			id int PRIMARY KEY, qty int, price numeric, weight float8, name text, c color, code char(4),
			active bool, made date, at timestamptz, raw bytea, addr inet, "odd ""name" text, extra jsonb);
		INSERT INTO stock VALUES
			(1, 10, 1.50, 0.5, 'Apple', 'red', 'a', true, '2024-01-31', '2024-01-31 23:30:00Z', '\x00', '10.0.0.1', 'o', '{"a": 1}'),
			(2, -3, 1.5, 2, 'banana', 'blue', 'ab', false, '2024-02-01', '2024-02-01 00:30:00Z', '\xff', '10.0.0.2', 'p', '{}'),
			(3, 7, 'NaN', 'Infinity', 'it''s \ "q"', 'blue', 'b', true, 'infinity', 'infinity', '', '::1', 'q', '[]'),
			(4, 2147483647, 3, 1e300, '', 'red', '', false, '0044-03-15 BC', '2023-12-31 23:59:59.999999Z', NULL, NULL, NULL, NULL),
			(5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`, "stock")
	s := db.source(db.config(), "public.stock: qty price weight name c code active made at raw addr extra")
	s.Want(cdc.Wanted{public("stock"): {"qty", "price", "weight", "name", "c", "code", "active", "made", "at", "raw", "addr", `odd "name`, "extra"}})
	tail(t, s, "").started()
	for name, test := range map[string]struct {
		where *cdc.Condition
		want  string
	}{
		"integer":           {tests(cdc.ConditionGreater, "qty", number("6.5")), "1 3 4"},
		"integer, huge":     {tests(cdc.ConditionLess, "qty", number("99999999999999999999")), "1 2 3 4"},
		"decimal":           {tests(cdc.ConditionEqual, "price", number("1.5")), "1 2"},
		"decimal, unequal":  {tests(cdc.ConditionNotEqual, "price", number("1.5")), "3 4"},
		"float":             {tests(cdc.ConditionLessEqual, "weight", number("2")), "1 2"},
		"key":               {tests(cdc.ConditionGreaterEqual, "id", number("4")), "4 5"},
		"text":              {tests(cdc.ConditionEqual, "name", text(`it's \ "q"`)), "3"},
		"text by its bytes": {tests(cdc.ConditionLess, "name", text("a")), "1 4"},
		"empty text":        {tests(cdc.ConditionEqual, "name", text("")), "4"},
		"enum":              {tests(cdc.ConditionIn, "c", text("blue"), text("blue")), "2 3"},
		"char":              {tests(cdc.ConditionEqual, "code", text("a")), "1"},
		"bool":              {tests(cdc.ConditionEqual, "active", truth("true")), "1 3"},
		"date":              {tests(cdc.ConditionGreater, "made", text("2024-01-31")), "2 3"},
		"timestamptz":       {tests(cdc.ConditionLess, "at", text("2024-02-01 00:00:00")), "1 4"},
		"bytes":             {tests(cdc.ConditionEqual, "raw", text("ff")), "2"},
		"other":             {tests(cdc.ConditionIn, "addr", text("::1"), text("10.0.0.1/32")), "1 3"},
		"json":              {tests(cdc.ConditionEqual, "extra", text(`{"a": 1}`)), "1"},
		"odd name":          {tests(cdc.ConditionEqual, `odd "name`, text("p")), "2"},
		"null":              {tests(cdc.ConditionNull, "raw"), "4 5"},
		"not null":          {tests(cdc.ConditionNotNull, "raw"), "1 2 3"},
		"not":               {joins(cdc.ConditionNot, tests(cdc.ConditionIn, "qty", number("10"), number("7"))), "2 4"},
		"and, or": {joins(cdc.ConditionAnd, joins(cdc.ConditionOr, tests(cdc.ConditionEqual, "id", number("1")), tests(cdc.ConditionEqual, "id", number("2"))),
			tests(cdc.ConditionEqual, "active", truth("false"))), "2"},
		"injection": {tests(cdc.ConditionEqual, "name", text("' OR true --")), ""},
	} {
		r := backfill.Request{Table: public("stock"), Limit: 2, Where: test.where}
		var got []string
		for {
			c := chunk(t, s, r)
			for _, row := range c.Rows {
				got = append(got, row[0].Text())
			}
			if c.Read() < r.Limit {
				break
			}
			r.After = c.Last
		}
		if ids := strings.Join(got, " "); ids != test.want {
			t.Errorf("%s: got rows %s, want %s", name, ids, test.want)
		}
	}
	for name, where := range map[string]*cdc.Condition{
		"no such column":     tests(cdc.ConditionEqual, "nosuch", text("x")),
		"text for a number":  tests(cdc.ConditionEqual, "qty", text("x")),
		"number for a text":  tests(cdc.ConditionEqual, "name", number("1")),
		"number for a bool":  tests(cdc.ConditionEqual, "active", number("1")),
		"no date":            tests(cdc.ConditionEqual, "made", text("2024-13-45")),
		"no value":           tests(cdc.ConditionEqual, "qty"),
		"two values":         tests(cdc.ConditionLess, "qty", number("1"), number("2")),
		"nothing joined":     joins(cdc.ConditionAnd),
		"two negated":        joins(cdc.ConditionNot, tests(cdc.ConditionNull, "qty"), tests(cdc.ConditionNull, "qty")),
		"zero byte":          tests(cdc.ConditionEqual, "name", text("a\x00b")),
		"no kind of its own": tests(0, "qty", number("1")),
	} {
		if c, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: public("stock"), Limit: 2, Where: where}); err == nil {
			t.Errorf("%s: got %v", name, joined(c.Rows))
		}
	}
	if _, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: public("stock"), Keys: []backfill.Key{{"1"}}, Where: tests(cdc.ConditionNull, "qty")}); err == nil {
		t.Error("a list of keys with a condition was read")
	}
}
