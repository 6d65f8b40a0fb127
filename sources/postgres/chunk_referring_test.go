package postgres_test

import (
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/sources/postgres"
)

// TestChunkReferring reads the rows that refer to others, in chunks of two.
func TestChunkReferring(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE DOMAIN ref AS int; CREATE TABLE bin (
			id int PRIMARY KEY, product_id int, small smallint, big bigint, amount numeric(10,2), code varchar(20), u uuid, r ref, "odd ""name" text);
		INSERT INTO bin VALUES
			(1, 7, 7, 7, 7.00, 'a', 'c8b3b1a4-0000-4000-8000-000000000001', 7, 'x'),
			(2, 7, -1, 9223372036854775807, 7.50, 'a', NULL, 8, '{"a", \}'),
			(3, 8, NULL, 8, NULL, 'it''s', NULL, NULL, NULL),
			(4, NULL, 7, NULL, 8, '', 'c8b3b1a4-0000-4000-8000-000000000001', 7, ''),
			(5, 7, 8, 7, 7, 'NULL', NULL, 7, 'x')`, "bin")
	s := db.source(db.config(), "public.bin: product_id small big amount code u r")
	s.Want(cdc.Wanted{public("bin"): {"product_id", "small", "big", "amount", "code", "u", "r", `odd "name`}})
	tail(t, s, "").started()
	for name, test := range map[string]struct {
		column string
		values []string
		want   string
	}{
		"integer":             {"product_id", []string{"7"}, "1 2 5"},
		"several":             {"product_id", []string{"8", "7", "8"}, "1 2 3 5"},
		"none":                {"product_id", []string{"9"}, ""},
		"beyond the column":   {"small", []string{"99999", "7"}, "1 4"},
		"bigint":              {"big", []string{"9223372036854775807"}, "2"},
		"beyond any integer":  {"big", []string{"99999999999999999999", "8"}, "3"},
		"no integer":          {"big", []string{"7.5", "", "x", "NaN"}, ""},
		"decimal":             {"amount", []string{"7"}, "1 5"},
		"decimal, other text": {"amount", []string{"7.500"}, "2"},
		"text":                {"code", []string{"a", "it's"}, "1 2 3"},
		"empty text":          {"code", []string{""}, "4"},
		"NULL is a text":      {"code", []string{"NULL"}, "5"},
		"uuid":                {"u", []string{"c8b3b1a4-0000-4000-8000-000000000001"}, "1 4"},
		"domain":              {"r", []string{"7"}, "1 4 5"},
		"odd name and value":  {`odd "name`, []string{`{"a", \}`}, "2"},
		"injection":           {"code", []string{"') OR true --"}, ""},
		"the key":             {"id", []string{"2", "4"}, "2 4"},
	} {
		r := backfill.Request{Table: public("bin"), Limit: 2, Referring: backfill.ByColumn(test.column, test.values...)}
		if ids := idsOf(t, s, r); ids != test.want {
			t.Errorf("%s: got rows %s, want %s", name, ids, test.want)
		}
	}
	for name, test := range map[string]struct {
		columns []string
		values  [][]string
		want    string
	}{
		"two columns":           {[]string{"product_id", "code"}, [][]string{{"7", "a"}}, "1 2"},
		"in the other order":    {[]string{"code", "product_id"}, [][]string{{"a", "7"}, {"it's", "8"}}, "1 2 3"},
		"and more of each":      {[]string{"product_id", "code"}, [][]string{{"7", "NULL"}, {"9", "a"}}, "1 2 5"},
		"none has both":         {[]string{"product_id", "code"}, [][]string{{"8", "a"}}, ""},
		"three of several kind": {[]string{"amount", "u", "r"}, [][]string{{"7.0", "c8b3b1a4-0000-4000-8000-000000000001", "7"}}, "1"},
		"one beyond its column": {[]string{"small", "code"}, [][]string{{"99999", "a"}}, ""},
	} {
		r := backfill.Request{Table: public("bin"), Limit: 2, Referring: &backfill.Referring{Columns: test.columns, Values: test.values}}
		if ids := idsOf(t, s, r); ids != test.want {
			t.Errorf("%s: got rows %s, want %s", name, ids, test.want)
		}
	}
	for name, r := range map[string]backfill.Request{
		"no such column":   {Limit: 2, Referring: backfill.ByColumn("nosuch", "1")},
		"no values":        {Limit: 2, Referring: &backfill.Referring{Columns: []string{"code"}}},
		"too many values":  {Limit: 2, Referring: &backfill.Referring{Columns: []string{"code"}, Values: make([][]string, backfill.MaxReferring+1)}},
		"no columns":       {Limit: 2, Referring: &backfill.Referring{Values: each("1")}},
		"too few values":   {Limit: 2, Referring: &backfill.Referring{Columns: []string{"id", "code"}, Values: each("1")}},
		"with a condition": {Limit: 2, Referring: backfill.ByColumn("code", "a"), Where: tests(cdc.ConditionNull, "code")},
	} {
		r.Table = public("bin")
		if c, err := s.Read(t.Context(), s.Mark(), r); err == nil {
			t.Errorf("%s: got %v", name, joined(c.Rows))
		}
	}
}

// each are values of one column.
func each(values ...string) [][]string {
	var out [][]string
	for _, v := range values {
		out = append(out, []string{v})
	}
	return out
}

// idsOf reads all rows of a request, and returns their ids.
func idsOf(t *testing.T, s *postgres.Source, r backfill.Request) string {
	t.Helper()
	var got []string
	for {
		c := chunk(t, s, r)
		for _, row := range c.Rows {
			got = append(got, row[0].Text())
		}
		if c.Read() < r.Limit {
			return strings.Join(got, " ")
		}
		r.After = c.Last
	}
}
