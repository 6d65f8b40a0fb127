package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/sources/postgres"
)

// typeCase is a column type with values, each an SQL expression.
type typeCase struct {
	name   string
	values []string
	// keyless says that the type cannot be a key: it has no order, or the values are too long for an index.
	keyless bool
}

// q quotes texts as SQL literals, which take the type of their column.
func q(values ...string) []string {
	for i, v := range values {
		values[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return values
}

func quantityTypes() []typeCase {
	return []typeCase{
		{name: "smallint", values: q("-32768", "0", "32767")},
		{name: "integer", values: q("-2147483648", "0", "2147483647")},
		{name: "bigint", values: q("-9223372036854775808", "0", "9223372036854775807")},
		{name: "oid", values: q("0", "4294967295")},
		{name: "numeric", values: q("0", "-0.0", "12", "1.50", "-12.500", "1e-20", "123456789012345678901234567890.123456789", "NaN", "Infinity", "-Infinity")},
		{name: "numeric(12,3)", values: q("0", "1", "-12.5", "999999999.9994", "NaN")},
		{name: "numeric", values: q("1e130000", "1e-16000"), keyless: true},
		{name: "real", values: q("0", "-0", "0.1", "1e10", "16777216", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity")},
		{name: "double precision", values: q("0", "-0", "0.1", "0.30000000000000004", "123456789012345680", "1e15", "1e22", "1.7976931348623157e308", "5e-324",
			"NaN", "Infinity", "-Infinity")},
		{name: "money", values: q("0", "1234.5", "-92233720368547758.08")},
		{name: "int_qty", values: q("0", "7")},
		{name: "dec_qty", values: q("0", "-1.5", "NaN")},
		{name: "boolean", values: q("t", "f")},
		{name: "bit(5)", values: q("00000", "10110")},
		{name: "bit varying", values: q("", "1", "0010")},
	}
}

func nameTypes() []typeCase {
	odd := []string{"BRK-1234", "", " padded ", "ä€😀", "tab\tline\nquote\"back\\slash", "NULL", "it's"}
	return []typeCase{
		{name: "text", values: q(append([]string{strings.Repeat("long ", 300)}, odd...)...)},
		{name: "character varying", values: q(append([]string{}, odd...)...)},
		{name: "varchar(8)", values: q("BRK-1234", "", "a ")},
		{name: "char(8)", values: q("BRK-1234", "", "ab", " a")},
		{name: `"char"`, values: q("a", "")},
		{name: "name", values: q("stock", "Odd name")},
		{name: "citext", values: q("MiXed", "", "UPPER")},
		{name: "color", values: q("red", "b\"l,ue", "it's")},
		{name: "sku", values: q("BRK-1", "x y")},
		{name: "part", values: q("BRK-1", "x y")},
		{name: "uuid", values: q("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "00000000-0000-0000-0000-000000000000")},
		{name: "bytea", values: q(`\x`, `\x00ff5c27`, `\x616263`)},
		{name: "inet", values: q("10.0.0.1", "10.0.0.1/8", "::1")},
		{name: "cidr", values: q("10.0.0.0/8", "::/0")},
		{name: "macaddr", values: q("08:00:2b:01:02:03")},
		{name: "pg_lsn", values: q("0/0", "16/B374D848")},
		{name: "xid8", values: q("0", "18446744073709551615")},
	}
}

func timeTypes() []typeCase {
	return []typeCase{
		{name: "date", values: q("2024-02-29", "0001-01-01", "0044-03-15 BC", "5874897-12-31", "infinity", "-infinity")},
		{name: "time", values: q("00:00", "23:59:59.999999", "12:30:00.5", "24:00")},
		{name: "time with time zone", values: q("12:34:56+09", "01:02:03.5-03:30", "00:00Z")},
		{name: "timestamp", values: q("2024-02-29 23:59:59.123456", "2024-01-02 03:04:05", "0044-03-15 12:00 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity")},
		{name: "timestamp with time zone", values: q("2024-02-29 23:59:59.123456+09", "2024-01-02 03:04:05Z", "0044-03-15 12:00Z BC", "294276-12-31 23:59:59.999999Z", "infinity", "-infinity")},
		{name: "timestamptz(0)", values: q("2024-02-29 23:59:59.6+09")},
		{name: "interval", values: q("0", "1 year 2 mons -3 days 04:05:06.7", "-1 mon", "1000000:00:00")},
	}
}

func documentTypes() []typeCase {
	return []typeCase{
		{name: "json", values: q(`{"b": 1.0, "a":  [1, null]}`, `"x"`, "null"), keyless: true},
		{name: "jsonb", values: q(`{"b": 1.0, "a":  [1, null]}`, `"x"`, "null")},
		{name: "xml", values: q(`<a b="1">x</a>`, "only text", "<a/><b/>"), keyless: true},
		{name: "integer[]", values: q("{}", "{1,NULL,3}", "{{1,2},{3,4}}")},
		{name: "text[]", values: q(`{"a,b","",NULL,"NULL","q\"b\\"}`)},
		{name: "timestamptz[]", values: q(`{"2024-02-29 23:59:59+09",infinity}`)},
		{name: "bytea[]", values: q(`{"\\x00ff"}`)},
		{name: "float8[]", values: q("{0.1,NaN,-0}")},
		{name: "box_of", values: []string{"ROW(1, 'a b', '2024-02-29 23:59:59+09', 0.1, '\\x00')::box_of", "ROW(NULL, '', NULL, NULL, NULL)::box_of"}},
		{name: "int4range", values: q("empty", "[1,5]", "(,5)")},
		{name: "tstzrange", values: q("[2024-02-29 23:59:59+09,infinity)")},
		{name: "point", values: q("(0.1,-0)"), keyless: true},
	}
}

const matrixSchema = `
	CREATE EXTENSION citext;
	CREATE TYPE color AS ENUM ('red', 'b"l,ue', 'it''s');
	CREATE DOMAIN int_qty AS integer;
	CREATE DOMAIN dec_qty AS numeric(12,3) DEFAULT 0;
	CREATE DOMAIN sku AS varchar(20) NOT NULL;
	CREATE DOMAIN part AS sku;
	CREATE TYPE box_of AS (n int, t text, at timestamptz, f float8, b bytea);`

// hostile are settings under which every value would have another text.
func hostile() []string {
	return []string{
		"DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'", "IntervalStyle = 'iso_8601'", "bytea_output = 'escape'",
		"extra_float_digits = -15", "lc_monetary = 'C.UTF-8'", "xmloption = 'document'", "client_encoding = 'LATIN1'",
		"search_path = 'pg_temp'", "default_transaction_isolation = 'serializable'", "quote_all_identifiers = 'on'",
		"standard_conforming_strings = 'off'", "row_security = 'on'",
	}
}

// TestTypes streams values of every type as inserts, updates, deletes and keys,
// for a role whose settings are against it, and expects the very bytes that
// Sample reads. They are documented in the golden file.
func TestTypes(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, matrixSchema)
	cfg := leastRole(t, db, "")
	for _, setting := range hostile() {
		db.exec("ALTER ROLE l_" + db.name + " SET " + setting)
	}
	var cases []typeCase
	for _, group := range [][]typeCase{quantityTypes(), nameTypes(), timeTypes(), documentTypes()} {
		cases = append(cases, group...)
	}
	wanted := make(cdc.Wanted)
	for i, c := range cases {
		db.exec(fmt.Sprintf("CREATE TABLE v%d (id int PRIMARY KEY, v %s); ALTER TABLE v%d REPLICA IDENTITY FULL", i, c.name, i))
		wanted[cdc.TableName{Schema: "public", Name: fmt.Sprintf("v%d", i)}] = []string{"v"}
		if !c.keyless {
			db.exec(fmt.Sprintf("CREATE TABLE k%d (v %s PRIMARY KEY, n int)", i, c.name))
			wanted[cdc.TableName{Schema: "public", Name: fmt.Sprintf("k%d", i)}] = []string{"n"}
		}
	}
	db.exec("GRANT SELECT ON ALL TABLES IN SCHEMA public TO l_" + db.name)
	db.exec("CREATE PUBLICATION " + db.name + " FOR ALL TABLES")
	s := newSource(t, cfg, wanted)
	tl := tail(t, s, "").started()

	if serverMajor(t) < 14 {
		// Infinities of numeric came with 14.
		cases[4].values = slices.DeleteFunc(cases[4].values, func(v string) bool { return strings.Contains(v, "Infinity") })
	}
	var b strings.Builder
	printable := strings.NewReplacer("\n", `\n`, "\t", `\t`)
	taken := 0
	for i, c := range cases {
		for j, v := range c.values {
			db.exec(fmt.Sprintf("INSERT INTO v%d VALUES (%d, %s)", i, j, v))
			db.exec(fmt.Sprintf("UPDATE v%d SET v = v WHERE id = %d", i, j))
		}
		table, want := sampled(t, s, i)
		checkChunk(t, s, public(fmt.Sprintf("v%d", i)), 1, want)
		db.exec(fmt.Sprintf("DELETE FROM v%d", i))
		transactions := 2*len(c.values) + 1
		if !c.keyless {
			db.exec(fmt.Sprintf("INSERT INTO k%d VALUES (%s, 0)", i, c.values[0]))
			for _, v := range c.values[1:] {
				db.exec(fmt.Sprintf("UPDATE k%d SET v = %s", i, v))
			}
			checkChunk(t, s, public(fmt.Sprintf("k%d", i)), 0, want[len(want)-1:])
			db.exec(fmt.Sprintf("DELETE FROM k%d", i))
			transactions += len(c.values) + 1
		}
		got := tl.take(taken + transactions)[taken:]
		taken += transactions
		checkValues(t, c, want, got)
		for j, text := range want {
			fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", c.name, abridge(printable.Replace(c.values[j])), table.Columns[1].Type, abridge(strconv.Quote(text)))
		}
	}
	if serverMajor(t) >= 14 {
		golden(t, "types.golden", b.String())
	}
}

// sampled returns what Sample reads of table v<i>, by id.
func sampled(t *testing.T, s *postgres.Source, i int) (*cdc.Table, []string) {
	t.Helper()
	table, rows, err := s.Sample(t.Context(), cdc.TableName{Schema: "public", Name: fmt.Sprintf("v%d", i)}, 100)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(rows))
	for _, row := range rows {
		id, err := strconv.Atoi(row[0].Text())
		if err != nil || row[1].IsNull() {
			t.Fatalf("sampled %v", row)
		}
		texts[id] = row[1].Text()
	}
	return table, texts
}

// checkChunk expects a chunk of a table to have just the values want in a column,
// and to find each by key again.
func checkChunk(t *testing.T, s *postgres.Source, table cdc.TableName, column int, want []string) {
	t.Helper()
	c := chunk(t, s, backfill.Request{Table: table, Limit: 100})
	if len(c.Rows) != len(want) {
		t.Fatalf("%s: a chunk of %d rows, want %d", table, len(c.Rows), len(want))
	}
	for i, row := range c.Rows {
		key := backfill.Key{row[c.Table.Key[0]].Text()}
		listed := chunk(t, s, backfill.Request{Table: table, Keys: []backfill.Key{key}})
		if row[column] != cdc.Text(want[i]) || len(listed.Rows) != 1 || listed.Rows[0][column] != row[column] {
			t.Errorf("%s: a chunk has %v, by key %v, and Sample read %s", table, row, listed.Rows, abridge(strconv.Quote(want[i])))
		}
		if next := chunk(t, s, backfill.Request{Table: table, Range: backfill.Range{After: key}, Limit: 100}); len(next.Rows) != len(want)-i-1 {
			t.Errorf("%s: %d rows behind %s, want %d", table, len(next.Rows), abridge(key[0]), len(want)-i-1)
		}
	}
}

// checkValues expects the values want in the transactions that TestTypes made for c.
func checkValues(t *testing.T, c typeCase, want []string, got []*cdc.Transaction) {
	t.Helper()
	var changes []cdc.Change
	for _, transaction := range got {
		changes = append(changes, transaction.Changes...)
	}
	check := func(what string, row cdc.Row, column int, want string) {
		t.Helper()
		if column >= len(row) || row[column] != cdc.Text(want) {
			t.Errorf("%s: %s has %v, and Sample read %s", c.name, what, row, abridge(strconv.Quote(want)))
		}
	}
	n := len(want)
	for j, text := range want {
		check("insert", changes[2*j].After, 1, text)
		check("update, before", changes[2*j+1].Before, 1, text)
		check("update, after", changes[2*j+1].After, 1, text)
		check("delete", changes[2*n+j].Before, 1, text)
	}
	if c.keyless {
		return
	}
	keys := changes[3*n:]
	for j, text := range want {
		check("key, after", keys[j].After, 0, text)
		check("key, before", keys[j+1].Before, 0, text)
	}
}

// abridge returns s, or its beginning, length and hash.
func abridge(s string) string {
	if len(s) <= 80 {
		return s
	}
	return fmt.Sprintf("%.40s… (%d bytes, SHA-256 %.8x)", s, len(s), sha256.Sum256([]byte(s)))
}
