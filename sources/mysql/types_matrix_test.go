package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
)

// typeCase is a column type, SQL literals of it, and the canonical texts of those.
type typeCase struct {
	sql    string
	family cdc.Type
	// only names the flavor that has the type, both if it is empty.
	only string
	// key says that the type can be a primary key.
	key    bool
	values [][2]string
}

func typeCases() []typeCase {
	v := func(pairs ...string) (values [][2]string) {
		for i := 0; i < len(pairs); i += 2 {
			values = append(values, [2]string{pairs[i], pairs[i+1]})
		}
		return values
	}
	return []typeCase{
		{"TINYINT", cdc.TypeInteger, "", true, v("-128", "-128", "0", "0", "127", "127")},
		{"TINYINT UNSIGNED", cdc.TypeInteger, "", true, v("0", "0", "255", "255")},
		{"TINYINT(1)", cdc.TypeInteger, "", true, v("TRUE", "1", "FALSE", "0")},
		{"SMALLINT", cdc.TypeInteger, "", true, v("-32768", "-32768", "32767", "32767")},
		{"SMALLINT UNSIGNED", cdc.TypeInteger, "", true, v("65535", "65535")},
		{"MEDIUMINT", cdc.TypeInteger, "", true, v("-8388608", "-8388608", "8388607", "8388607")},
		{"MEDIUMINT UNSIGNED", cdc.TypeInteger, "", true, v("16777215", "16777215")},
		{"INT", cdc.TypeInteger, "", true, v("-2147483648", "-2147483648", "2147483647", "2147483647")},
		{"INT UNSIGNED", cdc.TypeInteger, "", true, v("4294967295", "4294967295")},
		{"INT(8) UNSIGNED ZEROFILL", cdc.TypeInteger, "", true, v("42", "42")},
		{"BIGINT", cdc.TypeInteger, "", true, v("-9223372036854775808", "-9223372036854775808", "9223372036854775807", "9223372036854775807")},
		{"BIGINT UNSIGNED", cdc.TypeInteger, "", true, v("18446744073709551615", "18446744073709551615")},
		{"YEAR", cdc.TypeInteger, "", true, v("1901", "1901", "2155", "2155", "0", "0")},
		{"BIT(1)", cdc.TypeInteger, "", true, v("b'1'", "1", "b'0'", "0")},
		{"BIT(13)", cdc.TypeInteger, "", true, v("b'1000000000001'", "4097")},
		{"BIT(64)", cdc.TypeInteger, "", true, v("18446744073709551615", "18446744073709551615")},
		{"DECIMAL(12,3)", cdc.TypeDecimal, "", true, v("-12.5", "-12.500", "0", "0.000", "999999999.999", "999999999.999", "-0.001", "-0.001")},
		{"DECIMAL(65,30)", cdc.TypeDecimal, "", true, v("12345678901234567890123456789012345.123456789012345678901234567891",
			"12345678901234567890123456789012345.123456789012345678901234567891", "-1000000000", "-1000000000.000000000000000000000000000000")},
		{"DECIMAL(10,0)", cdc.TypeDecimal, "", true, v("-9999999999", "-9999999999", "1000000000", "1000000000")},
		{"DECIMAL(5,5)", cdc.TypeDecimal, "", true, v("0.00001", "0.00001", "-0.99999", "-0.99999")},
		{"DECIMAL(8,2) UNSIGNED ZEROFILL", cdc.TypeDecimal, "", true, v("12.5", "12.50", "0", "0.00")},
		{"FLOAT", cdc.TypeFloat, "", false, v("16777216", "1.6777216e+07", "0.1", "0.1", "-3.4e38", "-3.4e+38", "0", "0")},
		{"FLOAT(7,3)", cdc.TypeFloat, "", false, v("1234.567", "1234.567")},
		{"DOUBLE", cdc.TypeFloat, "", true, v("0.1", "0.1", "1e300", "1e+300", "-2.2250738585072014e-308", "-2.2250738585072014e-308", "123456789.123", "1.23456789123e+08")},
		{"CHAR(10)", cdc.TypeText, "", true, v("'a b '", "a b", "'ä€'", "ä€", "''", "")},
		{"VARCHAR(40) CHARACTER SET utf8mb4", cdc.TypeText, "", true, v("' padded '", " padded ", "'😀'", "😀", "'O''Neill'", "O'Neill")},
		{"VARCHAR(300) CHARACTER SET latin1", cdc.TypeText, "", true, v("'é€ÿ'", "é€ÿ", "''", "")},
		{"CHAR(200) CHARACTER SET utf8mb4", cdc.TypeText, "", false, v("'日本語'", "日本語")},
		{"VARCHAR(40) CHARACTER SET latin2", cdc.TypeText, "", true, v("'Łódź'", "Łódź")},
		{"VARCHAR(40) CHARACTER SET cp1251", cdc.TypeText, "", true, v("'Київ'", "Київ")},
		{"VARCHAR(40) CHARACTER SET ascii", cdc.TypeText, "", true, v("'plain'", "plain")},
		{"VARCHAR(40) CHARACTER SET utf16", cdc.TypeText, "", true, v("'a😀é'", "a😀é")},
		{"VARCHAR(40) CHARACTER SET utf16le", cdc.TypeText, "", true, v("'a😀é'", "a😀é")},
		{"VARCHAR(40) CHARACTER SET utf32", cdc.TypeText, "", true, v("'a😀é'", "a😀é")},
		{"VARCHAR(40) CHARACTER SET ucs2", cdc.TypeText, "", true, v("'aé€'", "aé€")},
		{"VARCHAR(40) CHARACTER SET gbk", cdc.TypeText, "", true, v("'仓库a'", "仓库a")},
		{"VARCHAR(40) CHARACTER SET gb2312", cdc.TypeText, "", true, v("'仓库a'", "仓库a")},
		{"VARCHAR(40) CHARACTER SET gb18030", cdc.TypeText, "MySQL", true, v("'仓库a😀é'", "仓库a😀é")},
		{"VARCHAR(40) CHARACTER SET big5", cdc.TypeText, "", true, v("'倉庫a'", "倉庫a")},
		{"VARCHAR(40) CHARACTER SET euckr", cdc.TypeText, "", true, v("'창고a'", "창고a")},
		{"VARCHAR(40) CHARACTER SET sjis", cdc.TypeText, "", true, v("'倉庫ｱa~'", "倉庫ｱa~", `'\\'`, `\`)},
		{"VARCHAR(40) CHARACTER SET cp932", cdc.TypeText, "", true, v("'倉庫ｱa①'", "倉庫ｱa①")},
		{"VARCHAR(40) CHARACTER SET ujis", cdc.TypeText, "", true, v("'倉庫ｱa丂'", "倉庫ｱa丂")},
		{"VARCHAR(40) CHARACTER SET eucjpms", cdc.TypeText, "", true, v("'倉庫ｱa①'", "倉庫ｱa①")},
		{"VARCHAR(40) COLLATE utf8mb4_bin", cdc.TypeText, "", true, v("'Aa'", "Aa")},
		{"TEXT", cdc.TypeText, "", false, v("'long ä'", "long ä")},
		{"MEDIUMTEXT CHARACTER SET latin1", cdc.TypeText, "", false, v("'é'", "é")},
		{"LONGTEXT", cdc.TypeText, "", false, v("REPEAT('x', 70000)", strings.Repeat("x", 70000))},
		{"TINYTEXT", cdc.TypeText, "", false, v("'t'", "t")},
		{"BINARY(16)", cdc.TypeBytes, "", true, v("X'01000000000000000000000000000000'", "01000000000000000000000000000000",
			"X'00000000000000000000000000000000'", "00000000000000000000000000000000", "X'00112233445566778899AABBCCDDEEFF'", "00112233445566778899aabbccddeeff")},
		{"BINARY(4)", cdc.TypeBytes, "", true, v("'ab'", "61620000", "X'20200000'", "20200000")},
		{"VARBINARY(300)", cdc.TypeBytes, "", true, v("X'00FF00'", "00ff00", "''", "")},
		{"BLOB", cdc.TypeBytes, "", false, v("X'00FF'", "00ff")},
		{"LONGBLOB", cdc.TypeBytes, "", false, v("X'61'", "61")},
		{"ENUM('a','it''s','ä,€','')", cdc.TypeText, "", true, v("'a'", "a", "'it''s'", "it's", "'ä,€'", "ä,€", "''", "")},
		{"ENUM('é','b') CHARACTER SET latin1", cdc.TypeText, "", true, v("'é'", "é", "'b'", "b")},
		{"SET('a','b','c')", cdc.TypeText, "", true, v("'a,c'", "a,c", "''", "", "'b'", "b")},
		{"SET('é','b') CHARACTER SET latin1", cdc.TypeText, "", true, v("'é,b'", "é,b")},
		{"DATE", cdc.TypeDate, "", true, v("'2024-02-29'", "2024-02-29", "'0000-00-00'", "0000-00-00", "'2024-00-00'", "2024-00-00", "'9999-12-31'", "9999-12-31")},
		{"TIME", cdc.TypeTime, "", true, v("'-838:59:59'", "-838:59:59", "'12:00:00'", "12:00:00", "'00:00:00'", "00:00:00")},
		{"TIME(3)", cdc.TypeTime, "", true, v("'12:00:00'", "12:00:00.000", "'-00:00:00.001'", "-00:00:00.001", "'-1:00:00.5'", "-01:00:00.500")},
		{"TIME(1)", cdc.TypeTime, "", true, v("'-00:00:01.9'", "-00:00:01.9")},
		{"TIME(6)", cdc.TypeTime, "", true, v("'838:59:58.999999'", "838:59:58.999999", "'-00:00:00.000001'", "-00:00:00.000001")},
		{"DATETIME", cdc.TypeTimestamp, "", true, v("'2024-02-29 23:59:59'", "2024-02-29 23:59:59", "'0000-00-00 00:00:00'", "0000-00-00 00:00:00", "'1000-01-01'", "1000-01-01 00:00:00")},
		{"DATETIME(3)", cdc.TypeTimestamp, "", true, v("'2024-02-29 23:59:59.5'", "2024-02-29 23:59:59.500", "'0000-00-00'", "0000-00-00 00:00:00.000")},
		{"DATETIME(6)", cdc.TypeTimestamp, "", true, v("'9999-12-31 23:59:59.999999'", "9999-12-31 23:59:59.999999")},
		{"TIMESTAMP NULL", cdc.TypeTimestampTZ, "", false, v("'2024-07-01 12:00:00'", "2024-07-01 12:00:00+00", "'1970-01-01 00:00:01'", "1970-01-01 00:00:01+00", "'0000-00-00 00:00:00'", "0000-00-00 00:00:00+00")},
		{"TIMESTAMP(2) NULL", cdc.TypeTimestampTZ, "", false, v("'2024-07-01 12:00:00.25'", "2024-07-01 12:00:00.25+00")},
		{"TIMESTAMP(6) NULL", cdc.TypeTimestampTZ, "", false, v("'2038-01-19 03:14:07.000001'", "2038-01-19 03:14:07.000001+00")},
		{"JSON", cdc.TypeText, "MariaDB", false, v(`'{"b": 1,"a":[1.0]}'`, `{"b": 1,"a":[1.0]}`)},
		{"JSON", cdc.TypeJSON, "MySQL", false, v(
			`'{"b": 1, "a": [true, null, -5, 70000, 5000000000, "x\\"y\\\\z\\n\\u0001ä"]}'`, `{"a": [true, null, -5, 70000, 5000000000, "x\"y\\z\n\u0001ä"], "b": 1}`,
			"'[1.0, 0.1, 1e20, 1e-20, 123456789012345.0, 1e15, -0.00001, 1e14]'", "[1.0, 0.1, 1e20, 1e-20, 123456789012345.0, 1e15, -0.00001, 100000000000000.0]",
			"JSON_ARRAY(CAST('2024-02-29' AS DATE), CAST('2024-02-29 01:02:03.5' AS DATETIME(6)), CAST('-01:02:03' AS TIME), CAST(1.50 AS DECIMAL(5,2)), X'00FF')",
			`["2024-02-29", "2024-02-29 01:02:03.500000", "-01:02:03.000000", 1.50, "base64:type15:AP8="]`,
			"JSON_OBJECT('big', REPEAT('x', 70000))", `{"big": "`+strings.Repeat("x", 70000)+`"}`,
			"'\"text\"'", `"text"`, "'[]'", "[]", "'{}'", "{}", "'18446744073709551615'", "18446744073709551615")},
		{"POINT", cdc.TypeBytes, "", false, v("ST_GeomFromText('POINT(1 2)')", "000000000101000000000000000000f03f0000000000000040")},
		{"UUID", cdc.TypeUUID, "MariaDB", true, v("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
			"'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000",
			"'123e4567-e89b-12d3-a456-426614174000'", "123e4567-e89b-12d3-a456-426614174000",
			"'0188f5d4-7a1b-7c3d-8e9f-0a1b2c3d4e5f'", "0188f5d4-7a1b-7c3d-8e9f-0a1b2c3d4e5f",
			"'ffffffff-ffff-ffff-ffff-ffffffffffff'", "ffffffff-ffff-ffff-ffff-ffffffffffff",
			"'11111111-2222-3333-4444-555555555500'", "11111111-2222-3333-4444-555555555500",
			"'11111111-2222-6333-8444-555555555500'", "11111111-2222-6333-8444-555555555500",
			"'11111111-2222-6333-0444-555555555500'", "11111111-2222-6333-0444-555555555500")},
		{"INET6", cdc.TypeOther, "MariaDB", true, v("'2001:db8::ff00:42:8329'", "2001:db8::ff00:42:8329", "'::'", "::", "'::ffff:192.0.2.1'", "::ffff:192.0.2.1")},
		{"INET4", cdc.TypeOther, "MariaDB", true, v("'192.0.2.1'", "192.0.2.1", "'10.0.0.0'", "10.0.0.0")},
		{"VECTOR(2)", cdc.TypeBytes, "MySQL", false, v("TO_VECTOR('[1,2]')", "0000803f00000040")},
	}
}

// TestTypes expects of every type the same canonical text from an insert, both
// images of an update, a delete and a chunk, also where it is the key.
func TestTypes(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f)
		var tables, statements []string
		var cases []typeCase
		for _, c := range typeCases() {
			if c.only == "" || c.only == f.String() {
				cases = append(cases, c)
			}
		}
		for i, c := range cases {
			d.session("SET sql_mode = ''", fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY, v %s)", i, c.sql))
			tables = append(tables, fmt.Sprintf("t%d: v", i))
			if c.key {
				d.session("SET sql_mode = ''", fmt.Sprintf("CREATE TABLE k%d (v %s PRIMARY KEY, n INT)", i, c.sql))
				tables = append(tables, fmt.Sprintf("k%d: n", i))
			}
		}
		s := d.source(d.config(), tables...)
		tl := tail(t, s, "").started()
		for i, c := range cases {
			for j, value := range c.values {
				statements = append(statements, fmt.Sprintf("INSERT INTO t%d VALUES (%d, %s)", i, j, value[0]))
				if c.key {
					statements = append(statements, fmt.Sprintf("INSERT INTO k%d VALUES (%s, 1)", i, value[0]))
				}
			}
			statements = append(statements, fmt.Sprintf("INSERT INTO t%d VALUES (1000, NULL)", i))
		}
		d.session(append([]string{"SET sql_mode = '', time_zone = '+00:00'", "SET NAMES utf8mb4"}, statements...)...)
		tl.take(len(statements))
		chunks := make([]map[string]string, len(cases))
		keyed := make([]map[string]bool, len(cases))
		for i, c := range cases {
			chunks[i] = make(map[string]string)
			for _, row := range readAll(t, s, cdc.TableName{Schema: d.name, Name: fmt.Sprintf("t%d", i)}).Rows {
				chunks[i][row[0].Text()] = row[1].String()
			}
			if c.key {
				keyed[i] = make(map[string]bool)
				for _, row := range readAll(t, s, cdc.TableName{Schema: d.name, Name: fmt.Sprintf("k%d", i)}).Rows {
					keyed[i][row[0].Text()] = true
				}
			}
		}
		var after []string
		for i, c := range cases {
			after = append(after, fmt.Sprintf("UPDATE t%d SET id = -1 - id", i), fmt.Sprintf("DELETE FROM t%d", i))
			if c.key {
				after = append(after, fmt.Sprintf("UPDATE k%d SET n = 2", i), fmt.Sprintf("DELETE FROM k%d", i))
			}
		}
		d.session(append([]string{"SET sql_mode = '', time_zone = '+00:00'", "SET NAMES utf8mb4"}, after...)...)
		seen := make(map[string]map[string][]string) // by table, by id or key
		for _, tx := range tl.take(len(statements) + len(after)) {
			for _, c := range tx.Changes {
				name := c.Table.Name.Name
				if seen[name] == nil {
					seen[name] = make(map[string][]string)
				}
				for _, row := range []cdc.Row{c.Before, c.After} {
					if row == nil {
						continue
					}
					if name[0] == 'k' {
						seen[name][row[0].Text()] = append(seen[name][row[0].Text()], c.Op.String())
						continue
					}
					id := row[0].Text()
					if id[0] == '-' {
						var n int
						_, _ = fmt.Sscan(id, &n)
						id = fmt.Sprint(-1 - n)
					}
					seen[name][id] = append(seen[name][id], c.Op.String()+" "+row[1].String())
				}
				if got := c.Table.Columns[c.Table.Column("v")].Type; cases[number(name)].family != got {
					t.Errorf("%s: column of family %s, want %s", cases[number(name)].sql, got, cases[number(name)].family)
				}
			}
		}
		for i, c := range cases {
			table := fmt.Sprintf("t%d", i)
			for j, value := range append(c.values, [2]string{"NULL", "NULL"}) {
				id := fmt.Sprint(j)
				if j == len(c.values) {
					id = "1000"
				}
				want := []string{"insert " + value[1], "update " + value[1], "update " + value[1], "delete " + value[1]}
				if got := seen[table][id]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, value %.60s: stream has %.200q, want %.200q", c.sql, value[0], got, want)
				}
				if got := chunks[i][id]; got != value[1] {
					t.Errorf("%s, value %.60s: chunk has %.100q, want %.100q", c.sql, value[0], got, value[1])
				}
				if c.key && j < len(c.values) {
					if got := fmt.Sprint(seen[fmt.Sprintf("k%d", i)][value[1]]); got != "[insert update delete]" || !keyed[i][value[1]] {
						t.Errorf("%s as key, value %.60s: stream has %s, chunks %v", c.sql, value[0], got, keyed[i])
					}
				}
			}
		}
	})
}

func number(table string) (n int) {
	_, _ = fmt.Sscan(table[1:], &n)
	return n
}

// readAll reads a table in one chunk.
func readAll(t testing.TB, s backfill.Reader, table cdc.TableName) *backfill.Chunk {
	t.Helper()
	chunk, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: table, Range: backfill.Range{}, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return chunk
}
