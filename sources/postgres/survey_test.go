package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// surveyText spells a survey in lines.
func surveyText(d *survey.Database) string {
	var b strings.Builder
	for i := range d.Tables {
		t := &d.Tables[i]
		fmt.Fprintf(&b, "%s view=%t rows=%d key=%v unique=%v hidden=%v\n", t.Name, t.View, t.Rows, t.Key, t.Unique, t.Hidden)
		for _, c := range t.Columns {
			fmt.Fprintf(&b, "  %s %s %s notnull=%t values=%q\n", c.Name, c.Type, c.SourceType, c.NotNull, c.Values)
		}
		for _, f := range t.Foreign {
			fmt.Fprintf(&b, "  %v -> %s %v\n", f.Columns, f.Table, f.References)
		}
		for _, p := range t.Problems {
			fmt.Fprintf(&b, "  %s: %s\n", p.Requirement, p.Detail)
		}
	}
	return b.String()
}

// A survey has every table of a database with what its catalog says, also of those
// that the role may not read, and leaves out what is none of an application's.
func TestSurvey(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `
		CREATE TYPE state AS ENUM ('open', 'done');
		CREATE DOMAIN quantity AS numeric(12,3);
		CREATE TABLE item (no text PRIMARY KEY, alt integer NOT NULL, UNIQUE (no, alt));
		CREATE TABLE "Stock Levels" (
			item text NOT NULL REFERENCES item, kind text CHECK (kind IN ('PICK', 'it''s')), grade varchar(2) CHECK (grade IN ('A', 'B')), state state, "Q" quantity,
			n integer CHECK (n IN (1, 2)), deep text CHECK (deep <> ''), one text CHECK (one IN ('x')), PRIMARY KEY (item),
			FOREIGN KEY (item, n) REFERENCES item (no, alt));
		CREATE TABLE loose (sku text, qty integer, hidden text);
		CREATE TABLE p (id integer PRIMARY KEY) PARTITION BY RANGE (id);
		CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
		CREATE VIEW seen AS SELECT sku FROM loose;
		CREATE SCHEMA other; CREATE TABLE other.stock (id integer PRIMARY KEY);
		INSERT INTO p SELECT generate_series(0, 99);
		ANALYZE p1;`)
	cfg := leastRole(t, db, `item, "Stock Levels", p, seen`)
	role := "l_" + db.name
	db.exec("GRANT SELECT (sku, qty) ON loose TO " + role)
	s := newSource(t, cfg, nil)
	d, err := s.Survey(t.Context(), survey.Scope{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	want := `other.stock view=false rows=0 key=[id] unique=[[id]] hidden=[]
  id integer integer notnull=true values=[]
  read access to table other.stock: role ` + role + ` lacks USAGE on its schema and SELECT on it
public.Stock Levels view=false rows=0 key=[item] unique=[[item]] hidden=[]
  item text text notnull=true values=[]
  kind text text notnull=false values=["PICK" "it's"]
  grade text character varying(2) notnull=false values=["A" "B"]
  state text public.state notnull=false values=["open" "done"]
  Q decimal public.quantity notnull=false values=[]
  n integer integer notnull=false values=[]
  deep text text notnull=false values=[]
  one text text notnull=false values=[]
  [item] -> public.item [no]
  [item n] -> public.item [no alt]
public.item view=false rows=0 key=[no] unique=[[no] [no alt]] hidden=[]
  no text text notnull=true values=[]
  alt integer integer notnull=true values=[]
public.loose view=false rows=0 key=[] unique=[] hidden=[hidden]
  sku text text notnull=false values=[]
  qty integer integer notnull=false values=[]
  key of table public.loose: has no primary key, so that UPDATE and DELETE cannot be published
  read access to table public.loose: role ` + role + ` lacks SELECT on it
public.p view=false rows=100 key=[id] unique=[[id]] hidden=[]
  id integer integer notnull=true values=[]
public.seen view=true rows=-1 key=[] unique=[] hidden=[]
  sku text text notnull=false values=[]
  table public.seen: is a view, and only tables can be captured
`
	if diff := cmp.Diff(want, surveyText(d)); diff != "" {
		t.Errorf("survey (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(d.Product, "PostgreSQL ") || d.Role != role || d.Name == "" || d.Left != 0 {
		t.Errorf("database %q, role %q, product %q, left %d", d.Name, d.Role, d.Product, d.Left)
	}
	few, err := s.Survey(t.Context(), survey.Scope{Limit: 1, Schemas: []string{"public"}, Tables: []cdc.TableName{{Name: "p"}, {Schema: "public", Name: "item"}, {Schema: "other", Name: "stock"}}})
	if err != nil || len(few.Tables) != 1 || few.Tables[0].Name.Name != "item" || few.Left != 1 {
		t.Errorf("a scope of two tables and a limit of one gave %+v, %v", few, err)
	}
}

// Rows are read as the stream would bring them, no more than asked for, and what
// cannot be read has the reason.
func TestLook(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `
		CREATE TABLE few (id integer PRIMARY KEY, b bytea, f boolean, q numeric(9,3));
		INSERT INTO few VALUES (1, '\x0aff', true, 1.5), (2, NULL, NULL, NULL);
		CREATE TABLE many (id integer PRIMARY KEY, filler text);
		INSERT INTO many SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n;
		CREATE TABLE secret (id integer PRIMARY KEY)`)
	s := newSource(t, leastRole(t, db, "few, many"), nil)
	answers, err := s.Look(t.Context(), []survey.Question{
		{Table: cdc.ParseTableName("public.secret"), Columns: []string{"id"}, Rows: 5},
		{Table: cdc.ParseTableName("public.few"), Columns: []string{"q", "b", "f"}, Rows: 2},
		{Table: cdc.ParseTableName("public.few"), Columns: []string{"id"}, Rows: 1},
		{Table: cdc.ParseTableName("public.many"), Columns: []string{"id"}, Rows: 200},
		{Table: cdc.ParseTableName("public.gone"), Columns: []string{"id"}, Rows: 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answers[0].Problem, "permission denied") || answers[4].Problem == "" {
		t.Errorf("problems: %q, %q", answers[0].Problem, answers[4].Problem)
	}
	want := survey.Sample{Columns: []string{"q", "b", "f"}, Whole: true, Rows: []cdc.Row{
		{cdc.Text("1.500"), cdc.Text("0aff"), cdc.Text("t")}, {cdc.Null, cdc.Null, cdc.Null},
	}}
	if fmt.Sprint(answers[1]) != fmt.Sprint(want) {
		t.Errorf("few: %v, want %v", answers[1], want)
	}
	if len(answers[2].Rows) != 1 || answers[2].Whole {
		t.Errorf("one of two rows: %v", answers[2])
	}
	highest := 0
	for _, row := range answers[3].Rows {
		var n int
		_, _ = fmt.Sscan(row[0].Text(), &n)
		highest = max(highest, n)
	}
	// Pages at random: never the beginning of the table alone.
	if n := len(answers[3].Rows); n == 0 || n > 200 || answers[3].Whole || highest <= 200 {
		t.Errorf("%d of 5,000 rows, the highest %d, whole %t", n, highest, answers[3].Whole)
	}
}

// Nothing can be written on the connection of a survey, whatever a view calls.
func TestSurveyCannotWrite(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `
		CREATE TABLE trap (id integer PRIMARY KEY);
		CREATE FUNCTION spring() RETURNS integer LANGUAGE sql VOLATILE AS 'INSERT INTO public.trap VALUES (1) RETURNING id';
		CREATE VIEW baited AS SELECT public.spring() AS id`)
	s := newSource(t, db.config(), nil)
	answers, err := s.Look(t.Context(), []survey.Question{{Table: cdc.ParseTableName("public.baited"), Columns: []string{"id"}, Rows: 5}})
	if err != nil || !strings.Contains(answers[0].Problem, "read-only transaction") {
		t.Errorf("answer %+v, %v", answers, err)
	}
	if n := db.value("SELECT count(*)::text FROM trap"); n != "0" {
		t.Errorf("%s rows were written", n)
	}
}
