package mysql_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/sources/mysql"
)

// referringColumns are of the table of TestChunkReferring, with the values of its
// five rows.
var referringColumns = []struct{ name, definition, values string }{
	{"product_id", "int", "7 7 8 NULL 7"},
	{"small", "smallint unsigned", "7 0 NULL 7 8"},
	{"big", "bigint unsigned", "7 18446744073709551615 8 NULL 7"},
	{"amount", "decimal(10,2)", "7.00 7.50 NULL 8 7"},
	{"y", "year", "2024 2024 NULL 1999 2000"},
	{"code", "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "'a' 'A' 'á' 'a_' '_'"},
	{"latin", "varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci", "'é' 'e' 'é_' '?' 'É'"},
	{"bin", "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "'a' 'A' 'a' NULL 'NULL'"},
	{"fixed", "char(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "'a' 'a' 'B' '' 'b'"},
	{"memo", "text CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "'aaaaaaaaaab' 'aaaaaaaaaac' 'AAAAAAAAAAB' NULL ''"},
	{"raw", "binary(4)", "0x01000000 0x01 0x0100 NULL 0x00"},
	{"kind", "enum('a','b','')", "'a' 'b' '' NULL 'b'"},
	{"marks", "set('x','y')", "'x' 'x,y' '' NULL 'y'"},
	{"day", "date", "'2024-01-02' '0000-00-00' NULL '2024-01-02' '2024-00-00'"},
	{"at", "timestamp(3) NULL", "'2024-01-02_03:04:05' NULL '2024-01-02_03:04:05.006' NULL '2024-01-02_03:04:05'"},
	{"odd `name", "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs", "'x' '\\'\"`' '\\\\' '?' 'x'"},
}

// TestChunkReferring reads the rows that refer to others, in chunks of two: by every
// type, with an index and without one, and just those whose text is the same,
// whatever the column's collation takes for it.
func TestChunkReferring(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		for _, table := range []string{"indexed", "bare"} {
			t.Run(table, func(t *testing.T) {
				t.Parallel()
				db := newDatabase(t, f, referringTable(f, table == "indexed")...)
				columns := make([]string, 0, len(referringColumns))
				for _, c := range referringColumns {
					columns = append(columns, c.name)
				}
				name := cdc.TableName{Schema: db.name, Name: "bin stock"}
				s := db.source(db.config())
				s.Want(cdc.Wanted{name: columns})
				tail(t, s, "").started()
				readReferring(t, s, name)
				refuseReferring(t, s, name)
			})
		}
	})
}

// referringTable makes the table with five rows.
func referringTable(f privateserver.Flavor, indexed bool) []string {
	create, rows := "CREATE TABLE `bin stock` (id int PRIMARY KEY", make([]string, 5)
	var statements []string
	for _, c := range referringColumns {
		definition := c.definition
		if f == privateserver.FlavorMariaDB {
			definition = strings.ReplaceAll(definition, "utf8mb4_0900_as_cs", "utf8mb4_unicode_nopad_ci")
		}
		quoted := "`" + strings.ReplaceAll(c.name, "`", "``") + "`"
		create += ", " + quoted + " " + definition
		for i, v := range strings.Fields(c.values) {
			rows[i] += ", " + strings.ReplaceAll(v, "_", " ")
		}
		if indexed {
			part := ""
			if c.name == "memo" {
				part = "(10)"
			}
			statements = append(statements, fmt.Sprintf("CREATE INDEX %s ON `bin stock` (%s%s, id)", quoted, quoted, part))
		}
	}
	statements = append([]string{create + ")"}, statements...)
	for i, row := range rows {
		statements = append(statements, fmt.Sprintf("INSERT IGNORE INTO `bin stock` VALUES (%d%s)", i+1, row))
	}
	return statements
}

func readReferring(t *testing.T, s *mysql.Source, table cdc.TableName) {
	t.Helper()
	for _, test := range []struct {
		column string
		values []string
		want   string
	}{
		{"product_id", []string{"7"}, "1 2 5"},
		{"product_id", []string{"8", "7", "8"}, "1 2 3 5"},
		{"product_id", []string{"9"}, ""},
		{"small", []string{"99999", "-7", "7"}, "1 4"},
		{"big", []string{"18446744073709551615"}, "2"},
		{"big", []string{"99999999999999999999", "8"}, "3"},
		{"big", []string{"7.5", "", "x", "NaN", "07"}, ""},
		{"amount", []string{"7"}, "1 5"},
		{"amount", []string{"7.500"}, "2"},
		{"amount", []string{"7.501", "6.999", "99999999999999999999999"}, ""},
		{"y", []string{"2024"}, "1 2"},
		{"y", []string{"24", "0"}, ""},
		{"code", []string{"a"}, "1"},
		{"code", []string{"A", "a "}, "2 4"},
		{"code", []string{"b') OR true -- ", "á", " "}, "3 5"},
		{"latin", []string{"é"}, "1"},
		{"latin", []string{"É ", "é "}, "3"},
		{"latin", []string{"ж", "日本"}, ""},
		{"latin", []string{"?"}, "4"},
		{"bin", []string{"NULL"}, "5"},
		{"bin", []string{"a"}, "1 3"},
		{"fixed", []string{"a", "b"}, "1 2 5"},
		{"fixed", []string{""}, "4"},
		{"memo", []string{"aaaaaaaaaab"}, "1"},
		{"memo", []string{"", "AAAAAAAAAAB"}, "3 5"},
		{"raw", []string{"01000000"}, "1 2 3"}, // as the column pads them
		{"raw", []string{"01", "x", "00000000"}, "5"},
		{"kind", []string{"b"}, "2 5"},
		{"kind", []string{"", "B", "1"}, "3"},
		{"marks", []string{"x", "y"}, "1 5"},
		{"marks", []string{"", "y,x", "x,y"}, "2 3"},
		{"day", []string{"2024-01-02"}, "1 4"},
		{"day", []string{"0000-00-00", "2024-00-00", "nonsense"}, "2 5"},
		{"at", []string{"2024-01-02 03:04:05.000+00"}, "1 5"},
		{"odd `name", []string{`'"` + "`", `\`}, "2 3"},
		{"id", []string{"2", "4"}, "2 4"},
	} {
		r := backfill.Request{Table: table, Limit: 2, Referring: backfill.ByColumn(test.column, test.values...)}
		if ids := walkReferring(t, s, r); ids != test.want {
			t.Errorf("%s in %q: got rows %s, want %s", test.column, test.values, ids, test.want)
		}
	}
	many := make([]string, backfill.MaxReferring)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	r := backfill.Request{Table: table, Limit: 2, Referring: backfill.ByColumn("product_id", many...)}
	if ids := walkReferring(t, s, r); ids != "1 2 3 5" {
		t.Errorf("in many: got rows %s", ids)
	}
}

// walkReferring reads rows in chunks, and returns their keys.
func walkReferring(t *testing.T, s *mysql.Source, r backfill.Request) string {
	t.Helper()
	var got []string
	for {
		c := chunkOf(t, s, r)
		for _, row := range c.Rows {
			got = append(got, row[0].Text())
		}
		if c.Read() < r.Limit {
			return strings.Join(got, " ")
		}
		r.After = c.Last
	}
}

func refuseReferring(t *testing.T, s *mysql.Source, table cdc.TableName) {
	t.Helper()
	refers := backfill.ByColumn("code", "a")
	for name, r := range map[string]backfill.Request{
		"no such column":   {Limit: 2, Referring: backfill.ByColumn("nosuch", "1")},
		"no values":        {Limit: 2, Referring: backfill.ByColumn("code")},
		"too many values":  {Limit: 2, Referring: backfill.ByColumn("code", make([]string, backfill.MaxReferring+1)...)},
		"with a condition": {Limit: 2, Referring: refers, Where: &cdc.Condition{Op: cdc.ConditionNull, Column: "code"}},
		"with keys":        {Keys: []backfill.Key{{"1"}}, Referring: refers},
	} {
		r.Table = table
		if c, err := s.Read(t.Context(), s.Mark(), r); err == nil {
			t.Errorf("%s: got %v", name, images(c))
		}
	}
}

// TestLookedInto finds rows by their keys, just those that are written so, and says
// which columns have an index that finds them.
func TestLookedInto(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		hidden := "INVISIBLE"
		if f == privateserver.FlavorMariaDB {
			hidden = "IGNORED"
		}
		db := newDatabase(t, f,
			"CREATE TABLE item (code varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, name varchar(20), kind enum('a','b'), memo text, brand int, site int, "+
				"KEY name (name), KEY kind (kind), KEY (site, brand), KEY hidden (brand) "+hidden+")",
			"INSERT INTO item VALUES ('a', 'small', 'a', 'x', 1, 1), ('B', 'large', 'b', 'y', 1, 1)",
			"CREATE TABLE priced (id decimal(12,3) PRIMARY KEY, v int)", "INSERT INTO priced VALUES (7, 1), (7.5, 2)",
			"CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b))", "INSERT INTO pair VALUES (1, 1)")
		s := db.source(db.config(), "item: name kind memo brand site", "priced: v", "pair:")
		for _, test := range []struct {
			table string
			by    []string
			keys  []cdc.Row
			want  string
		}{
			{"item", nil, keysOf("a"), "a"},
			{"item", nil, keysOf("A", "b", "a "), ""},
			{"item", nil, keysOf("B", "a", "c"), "a B"},
			{"item", nil, nil, ""},
			{"priced", nil, keysOf("7"), "7.000"},
			{"priced", nil, keysOf("7.5", "7.0001", "99999999999999", "x"), "7.500"},
			{"priced", []string{"v"}, keysOf("2", "9"), "7.500"},
			{"pair", nil, []cdc.Row{{cdc.Text("1"), cdc.Text("1")}, {cdc.Text("1"), cdc.Text("2")}}, "1"},
			{"pair", []string{"b", "a"}, []cdc.Row{{cdc.Text("1"), cdc.Text("1")}}, "1"},
			{"pair", []string{"b", "a"}, []cdc.Row{{cdc.Text("1"), cdc.Null}}, ""},
		} {
			def, rows, err := s.SampleKeys(t.Context(), cdc.TableName{Schema: db.name, Name: test.table}, test.by, test.keys)
			if err != nil || def == nil {
				t.Errorf("%s %q: %v", test.table, test.keys, err)
				continue
			}
			var got []string
			for _, row := range rows {
				got = append(got, row[0].Text())
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("%s %q: got %s, want %s", test.table, test.keys, text, test.want)
			}
		}
		if _, _, err := s.SampleKeys(t.Context(), cdc.TableName{Schema: db.name, Name: "other"}, nil, keysOf("1")); err == nil {
			t.Error("a table that nobody wants was sampled")
		}
		checkIndexes(t, db, s, hidden)
	})
}

// keysOf are keys of one column.
func keysOf(texts ...string) []cdc.Row {
	var out []cdc.Row
	for _, text := range texts {
		out = append(out, cdc.Row{cdc.Text(text)})
	}
	return out
}

func checkIndexes(t *testing.T, db *database, s *mysql.Source, hidden string) {
	t.Helper()
	table := cdc.TableName{Schema: db.name, Name: "item"}
	for column, want := range map[string]struct {
		state       cdc.FindingState
		detail, fix string
	}{
		"code":       {cdc.FindingOK, "there is one", ""},
		"name":       {cdc.FindingOK, "there is one", ""},
		"site":       {cdc.FindingOK, "there is one", ""},
		"kind":       {cdc.FindingWarning, "of no use for enum('a','b')", ""},
		"memo":       {cdc.FindingWarning, "there is none", "CREATE INDEX `memo` ON `" + db.name + "`.`item` (`memo`(100));"},
		"brand,site": {cdc.FindingOK, "there is one", ""},
		"name,site":  {cdc.FindingWarning, "on a part of them", "CREATE INDEX `name_site` ON `" + db.name + "`.`item` (`name`, `site`);"},
		"brand":      {cdc.FindingWarning, "there is none", "CREATE INDEX `brand` ON `" + db.name + "`.`item` (`brand`);"},
	} {
		f, err := s.CheckIndex(t.Context(), table, strings.Split(column, ","))
		if err != nil {
			t.Errorf("%s: %v", column, err)
			continue
		}
		if f.State != want.state || !strings.Contains(f.Detail, want.detail) || f.Fix != want.fix {
			t.Errorf("%s: got %+v", column, f)
		}
		if f.Fix == "" {
			continue
		}
		db.exec(strings.TrimSuffix(f.Fix, ";"))
		if f, err = s.CheckIndex(t.Context(), table, strings.Split(column, ",")); err != nil || f.State != cdc.FindingOK {
			t.Errorf("%s, with the index of the fix: %+v, %v", column, f, err)
		}
	}
	if _, err := s.CheckIndex(t.Context(), table, []string{"nosuch"}); err == nil || !strings.Contains(err.Error(), `no column "nosuch"`) {
		t.Errorf("a column that is not there: %v", err)
	}
	// An index of the key that statements may not use is not forced on them.
	db.exec("CREATE TABLE coded (a int NOT NULL, b int NOT NULL, UNIQUE KEY z (b), UNIQUE KEY u (a))", "INSERT INTO coded VALUES (2, 1), (1, 2)",
		"ALTER TABLE coded ALTER INDEX u "+hidden)
	coded := db.source(db.config(), "coded: b")
	tail(t, coded, "").started()
	c := chunkOf(t, coded, backfill.Request{Table: cdc.TableName{Schema: db.name, Name: "coded"}, Limit: 5})
	if len(c.Rows) != 2 || !slices.IsSortedFunc(c.Rows, func(a, b cdc.Row) int { return strings.Compare(a[0].Text(), b[0].Text()) }) {
		t.Errorf("got %v", images(c))
	}
}
