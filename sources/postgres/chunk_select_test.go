package postgres_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/sources/postgres"
)

// selectedKeys reads a table to its end in chunks of limit rows, and returns the
// keys of those that the condition selects, and how many rows were looked at.
func selectedKeys(t testing.TB, s *postgres.Source, table string, where *cdc.Condition, limit int) (keys []string, scanned int) {
	t.Helper()
	r := backfill.Request{Table: public(table), Limit: limit, Where: where}
	for {
		c := chunk(t, s, r)
		for _, row := range c.Rows {
			keys = append(keys, row[c.Table.Key[0]].Text())
		}
		scanned += c.Read()
		if c.Read() < limit {
			return keys, scanned
		}
		r.After = c.Last
	}
}

// TestSelectedRows holds what a condition selects to a query written
// by hand, however the table is cut into chunks.
func TestSelectedRows(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TYPE mood AS ENUM ('low', 'high');
		CREATE TABLE w (id int PRIMARY KEY, n numeric, f float8, s text, b bool, u uuid, d date, m mood);
		INSERT INTO w SELECT i, nullif(i % 7, 3) * 0.5, i / 4.0, nullif((ARRAY['a', 'b', 'it''s', '$1', '', ' x; DROP TABLE w --'])[1 + i % 6], ''),
			CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END, ('00000000-0000-0000-0000-0000000000' || lpad((i % 90)::text, 2, '0'))::uuid,
			date '2020-01-01' + i, (ARRAY['low', 'high'])[1 + i % 2]::mood FROM generate_series(1, 60) i`, "w")
	s := db.source(db.config(), "public.w: n f s b u d m")
	tail(t, s, "").started()
	equal, greater := cdc.ConditionEqual, cdc.ConditionGreater
	for _, c := range []struct {
		where *cdc.Condition
		sql   string
	}{
		{tests(greater, "n", number("1")), "n > 1"},
		{tests(cdc.ConditionNotEqual, "id", number("12")), "id <> 12"},
		{tests(equal, "f", number("2.25")), "f = 2.25"},
		{tests(cdc.ConditionIn, "id", number("1"), number("2"), number("99")), "id in (1, 2, 99)"},
		{tests(cdc.ConditionNull, "s"), "s is null"},
		{tests(equal, "s", text("it's")), "s = 'it''s'"},
		{tests(cdc.ConditionIn, "s", text("$1"), text(" x; DROP TABLE w --")), "s in ('$1', ' x; DROP TABLE w --')"},
		{joins(cdc.ConditionNot, tests(equal, "b", truth("true"))), "not b"},
		{joins(cdc.ConditionNot, joins(cdc.ConditionOr, tests(equal, "b", truth("true")), tests(greater, "n", number("1")))), "not (b or n > 1)"},
		{
			joins(cdc.ConditionOr, tests(equal, "b", truth("false")),
				joins(cdc.ConditionAnd, tests(equal, "s", text("a")), tests(greater, "id", number("30")))), "b = false or (s = 'a' and id > 30)",
		},
		{tests(equal, "u", text("00000000-0000-0000-0000-000000000012")), "u = '00000000-0000-0000-0000-000000000012'"},
		{tests(cdc.ConditionGreaterEqual, "d", text("2020-02-01")), "d >= '2020-02-01'"},
		{tests(equal, "m", text("high")), "m = 'high'"},
		{tests(equal, "id", number("60")), "id = 60"},
		{tests(equal, "id", number("61")), "id = 61"},
	} {
		want := db.selected("SELECT id FROM w WHERE " + c.sql + " ORDER BY id")
		for _, limit := range []int{1, 7, 100} {
			got, scanned := selectedKeys(t, s, "w", c.where, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in chunks of %d (-want +got):\n%s", c.sql, limit, diff)
			}
			if scanned != 60 {
				t.Errorf("%s in chunks of %d: %d rows looked at, want 60", c.sql, limit, scanned)
			}
		}
	}
}

// TestConditionNames holds that a column of any name is found by it, and that
// nothing of a name is taken for SQL.
func TestConditionNames(t *testing.T) {
	t.Parallel()
	names := []string{`a"b`, `a b`, `select`, `keep`, `at`, `last`, `c`, `d1`, `$1`, `x'); DROP TABLE w; --`, `Ä`}
	db := newDatabase(t, "")
	var columns []string
	for _, n := range names {
		columns = append(columns, `"`+strings.ReplaceAll(n, `"`, `""`)+`" text`)
	}
	db.exec(`CREATE TABLE w (id int PRIMARY KEY, ` + strings.Join(columns, ", ") + `); CREATE PUBLICATION ` + db.name + ` FOR TABLE w`)
	for i := range names {
		values := slices.Repeat([]string{"'no'"}, len(names))
		values[i] = "'yes'"
		db.exec(fmt.Sprintf("INSERT INTO w VALUES (%d, %s)", i, strings.Join(values, ", ")))
	}
	s, err := postgres.New(db.config(), cdc.Wanted{public("w"): names}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	tail(t, s, "").started()
	for i, n := range names {
		got, _ := selectedKeys(t, s, "w", tests(cdc.ConditionEqual, n, text("yes")), 3)
		if diff := cmp.Diff([]string{fmt.Sprint(i)}, got); diff != "" {
			t.Errorf("column %s (-want +got):\n%s", n, diff)
		}
	}
}

// TestIncluding holds that a range may begin with its bound, in every order that a
// key has.
func TestIncluding(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE a (k text COLLATE "C", j int, PRIMARY KEY (k, j));
		INSERT INTO a SELECT chr(64 + i), j FROM generate_series(1, 5) i, generate_series(1, 3) j;
		CREATE TABLE r (k int NOT NULL); CREATE UNIQUE INDEX kr ON r (k DESC); ALTER TABLE r REPLICA IDENTITY USING INDEX kr;
		INSERT INTO r SELECT generate_series(1, 9)`, "a", "r")
	s := db.source(db.config(), "public.a: k", "public.r: k")
	tail(t, s, "").started()
	for _, c := range []struct {
		table string
		r     backfill.Range
		want  []string
	}{
		{"a", backfill.Range{After: backfill.Key{"B", "3"}, Including: true, Upto: backfill.Key{"C", "1"}}, []string{"B|3", "C|1"}},
		{"a", backfill.Range{After: backfill.Key{"B", "3"}, Upto: backfill.Key{"C", "1"}}, []string{"C|1"}},
		{"a", backfill.Range{After: backfill.Key{"E", "2"}, Including: true}, []string{"E|2", "E|3"}},
		{"r", backfill.Range{After: backfill.Key{"3"}, Including: true, Upto: backfill.Key{"8"}}, []string{"3", "4", "5", "6", "7", "8"}},
	} {
		got := joined(chunk(t, s, backfill.Request{Table: public(c.table), Range: c.r, Limit: 10}).Rows)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %+v (-want +got):\n%s", c.table, c.r, diff)
		}
	}
}
