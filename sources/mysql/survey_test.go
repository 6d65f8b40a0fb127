package mysql_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
	"tailstock/internal/privateserver"
	"tailstock/sources/mysql"
)

// A survey has every table that the account may read, with foreign keys, which
// information_schema would hide from it, and samples of both ends of large tables.
func TestSurvey(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f,
			"CREATE TABLE item (no varchar(20) NOT NULL PRIMARY KEY, alt int NOT NULL, UNIQUE KEY both_ (no, alt)) ENGINE=InnoDB",
			"CREATE TABLE `Stock Levels` (`It``em` varchar(20) NOT NULL, n int, kind enum('pick','it''s') NOT NULL, q decimal(12,3), PRIMARY KEY (`It``em`, kind), "+
				"CONSTRAINT one FOREIGN KEY (`It``em`) REFERENCES item (no), CONSTRAINT two FOREIGN KEY (`It``em`, n) REFERENCES item (no, alt) ON DELETE CASCADE) ENGINE=InnoDB",
			"CREATE TABLE loose (sku varchar(20)) ENGINE=MyISAM",
			"CREATE TABLE secret (id int PRIMARY KEY)",
			"CREATE TABLE many (id int PRIMARY KEY)",
			"CREATE VIEW seen AS SELECT sku FROM loose",
		)
		for first := 0; first < 3000; first += 1000 {
			var rows []string
			for i := range 1000 {
				rows = append(rows, fmt.Sprintf("(%d)", first+i))
			}
			d.exec("INSERT INTO many VALUES " + strings.Join(rows, ", "))
		}
		account := "surveys_" + d.name
		d.exec("CREATE USER " + account + " IDENTIFIED BY 'secret'")
		for _, table := range []string{"item", "`Stock Levels`", "loose", "many", "seen"} {
			d.exec("GRANT SELECT ON " + table + " TO " + account)
		}
		s, err := mysql.New(mysql.Config{DSN: d.server.UserDSN(account, "secret", d.name), ServerID: 77}, nil, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		found, err := s.Survey(t.Context(), survey.Scope{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i := range found.Tables {
			table := &found.Tables[i]
			fmt.Fprintf(&b, "%s view=%t key=%q unique=%q\n", table.Name.Name, table.View, table.Key, table.Unique)
			for _, c := range table.Columns {
				fmt.Fprintf(&b, "  %s %s notnull=%t values=%q\n", c.Name, c.Type, c.NotNull, c.Values)
			}
			for _, k := range table.Foreign {
				fmt.Fprintf(&b, "  %q -> %s %q\n", k.Columns, k.Table.Name, k.References)
			}
			for _, p := range table.Problems {
				fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(p.Requirement, d.name+".", ""))
			}
		}
		want := `Stock Levels view=false key=["It` + "`" + `em" "kind"] unique=[["It` + "`" + `em" "kind"]]
  It` + "`" + `em text notnull=true values=[]
  n integer notnull=false values=[]
  kind text notnull=true values=["pick" "it's"]
  q decimal notnull=false values=[]
  ["It` + "`" + `em"] -> item ["no"]
  ["It` + "`" + `em" "n"] -> item ["no" "alt"]
item view=false key=["no"] unique=[["no" "alt"] ["no"]]
  no text notnull=true values=[]
  alt integer notnull=true values=[]
loose view=false key=[] unique=[]
  sku text notnull=false values=[]
  key of table loose
  storage engine of table loose
many view=false key=["id"] unique=[["id"]]
  id integer notnull=true values=[]
seen view=true key=[] unique=[]
  table seen
`
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("survey (-want +got):\n%s", diff)
		}
		if !strings.HasPrefix(found.Product, f.String()+" ") || found.Name != d.name || !strings.Contains(found.Role, account) || found.Blind == "" {
			t.Errorf("product %q, name %q, role %q, blind %q", found.Product, found.Name, found.Role, found.Blind)
		}
		look(t, s, d.name)
	})
}

func look(t *testing.T, s *mysql.Source, database string) {
	t.Helper()
	table := func(name string) cdc.TableName { return cdc.TableName{Schema: database, Name: name} }
	answers, err := s.Look(t.Context(), []survey.Question{
		{Table: table("secret"), Columns: []string{"id"}, Rows: 5},
		{Table: table("many"), Columns: []string{"id"}, Rows: 10},
		{Table: table("loose"), Columns: []string{"sku"}, Rows: 10},
		{Table: table("item"), Columns: []string{"gone"}, Rows: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range answers[1].Rows {
		ids = append(ids, row[0].Text())
	}
	if got, want := strings.Join(ids, " "), "0 1 2 3 4 2999 2998 2997 2996 2995"; got != want || answers[1].Whole {
		t.Errorf("rows %s, whole %t, want both ends: %s", got, answers[1].Whole, want)
	}
	if answers[0].Problem == "" || answers[3].Problem == "" || answers[2].Problem != "" || !answers[2].Whole {
		t.Errorf("answers %+v", answers)
	}
}
