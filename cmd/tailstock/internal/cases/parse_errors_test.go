package cases_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/inventory"
)

// A script is read as the README of the cases says.
func TestScriptIsRead(t *testing.T) {
	t.Parallel()
	s, err := parseScript("s.sql", `-- on: postgres, mariadb
-- on: erp=postgres wms=mariadb
-- store: postgres
-- Words.

--> A at B at C: on_hand 1.5, committed -2
--> problem: unresolved public.t [1]

-- commit: first
insert into t values (1);
-- A remark.
--> passing A at C: nothing
--> nothing
-- start

-- commit in wms: second
delete from t;
--> as before

-- commit in erp: third
delete from t;
--> as the oracle says
`)
	if err != nil {
		t.Fatal(err)
	}
	runs := []map[string]string{{"erp": "postgres"}, {"erp": "mariadb"}, {"erp": "postgres", "wms": "mariadb"}}
	if diff := cmp.Diff(runs, s.runs); diff != "" || s.store != "postgres" || len(s.steps) != 4 {
		t.Errorf("store %s, %d steps, runs (-want +got):\n%s", s.store, len(s.steps), diff)
	}
	if got, want := s.steps[0].want.levels.String(), "A at B at C: on_hand 1.5, committed -2\n"; got != want {
		t.Errorf("levels before the first commit: got %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"unresolved public.t [1]"}, s.steps[0].want.problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	first, second, third := s.steps[1], s.steps[2], s.steps[3]
	if first.line != 9 || first.title != "first" || !first.start || !strings.Contains(first.sql, "insert into t values (1);\n") || len(first.want.levels) != 0 {
		t.Errorf("first commit: %+v", first)
	}
	if q, ok := first.want.passing[inventory.Cell{SKU: "A", Location: "C"}]; !ok || !q[0].IsZero() {
		t.Errorf("in passing: %v", first.want.passing)
	}
	if second.source != "wms" || second.start || second.want.silent || third.source != "erp" || !third.want.oracle {
		t.Errorf("second and third commit: %+v %+v", second, third)
	}
}

// What is wrong in a script is told with file and line.
func TestScriptErrors(t *testing.T) {
	t.Parallel()
	const on = "-- on: postgres\n"
	for name, c := range map[string]struct{ text, want string }{
		"no server":               {"-- commit: a\nx;\n--> nothing", "s.sql:1: no line says where the case runs: -- on: postgres"},
		"unknown server":          {"-- on: oracle", `s.sql:1: no server "oracle"; there are postgres, mariadb and mysql`},
		"unknown store":           {on + "-- store: oracle", `s.sql:2: no store "oracle"; there are sqlite and postgres`},
		"no commit":               {on, "s.sql:1: there is no commit"},
		"statement at first":      {on + "insert;", "s.sql:2: a statement stands before the first commit; what is there before stands in schema.sql"},
		"nothing expected":        {on + "-- commit: a\nx;\n\n-- commit: b\ny;\n--> nothing", "s.sql:5: the commit before, of line 2: nothing says what is expected; if no level is there: --> nothing"},
		"nothing expected at end": {on + "-- commit: a\nx;\n", "s.sql:2: nothing says what is expected; if no level is there: --> nothing"},
		"no statement":            {on + "-- commit: a\n-- x\n--> nothing", "s.sql:2: there is no statement"},
		"statement behind":        {on + "-- commit: a\nx;\n--> nothing\ny;", "s.sql:5: a statement stands behind what is expected; begin another commit: -- commit: TITLE"},
		"setting behind":          {on + "-- commit: a\nx;\n-- store: postgres", "s.sql:4: -- store: stands before the first commit"},
		"no level":                {on + "--> A in B: on_hand 1", `s.sql:2: "A in B: on_hand 1" is not SKU at LOCATION: KIND QUANTITY, …`},
		"no kind":                 {on + "--> A at B: onhand 1", `s.sql:2: "onhand" is no kind of quantity`},
		"no number":               {on + "--> A at B: on_hand x", `s.sql:2: on_hand of A at B: not a number`},
		"zero":                    {on + "--> A at B: on_hand 0", "s.sql:2: A at B: levels that are not listed are zero"},
		"twice":                   {on + "--> A at B: on_hand 1\n--> A at B: on_hand 2", "s.sql:3: A at B stands here twice"},
		"before nothing":          {on + "--> as before", "s.sql:2: there is no commit before"},
		"start at first":          {on + "-- start", "s.sql:2: a daemon starts behind what is expected after a commit"},
		"arrow":                   {on + "-->nothing", `s.sql:2: "-->nothing" is not understood`},
		"commit without a title":  {on + "-- commit:", `s.sql:2: "-- commit:" is not understood`},
		"commit in capitals":      {on + "-- commit in ERP: x", `s.sql:2: "-- commit in ERP: x" is not understood`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseScript("s.sql", c.text); err == nil || err.Error() != c.want {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// The judge of what was published finds what must not be.
func TestJudge(t *testing.T) {
	t.Parallel()
	cell := inventory.Cell{SKU: "A", Location: "B"}
	of := func(numbers ...inventory.Quantity) (out []inventory.LevelMessage) {
		for _, n := range numbers {
			m := inventory.LevelMessage{}
			m.Cell, m.Quantities[inventory.OnHand], m.Source = cell, n, theSource
			out = append(out, m)
		}
		return out
	}
	q := func(n inventory.Quantity) inventory.Quantities { return inventory.Quantities{n} }
	after := func(n inventory.Quantity) *expectation { return &expectation{levels: stock{cell: q(n)}} }
	walked := of(1)
	walked[0].Source = ""
	passing := &expectation{levels: stock{cell: q(3)}, passing: map[inventory.Cell][]inventory.Quantities{cell: {q(2)}}}
	for name, c := range map[string]struct {
		published     []inventory.LevelMessage
		before, after *expectation
		wrong         int
	}{
		"nothing":                  {nil, after(1), after(1), 0},
		"from one to the other":    {of(1, 3), after(1), after(3), 0},
		"something between":        {of(2, 3), after(1), after(3), 1},
		"what may be seen":         {of(2, 3), after(1), passing, 0},
		"back again":               {of(3, 1, 3), after(1), after(3), 1},
		"zero on the way":          {of(0, 3), after(1), after(3), 1},
		"a wrong last one":         {of(3, 4), after(1), after(3), 1},
		"first load":               {of(3), nil, after(3), 0},
		"half of a first load":     {of(1, 3), nil, after(3), 1},
		"zero before a first load": {of(0, 3), nil, after(3), 1},
		"not silent":               {of(1), after(1), &expectation{levels: stock{cell: q(1)}, silent: true}, 1},
		"a walk is not silent":     {walked, after(1), &expectation{levels: stock{cell: q(1)}, silent: true}, 0},
		"a first load is told":     {of(1), nil, &expectation{levels: stock{cell: q(1)}, silent: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := judge(c.published, c.before, c.after); len(got) != c.wrong {
				t.Errorf("got %q, want %d complaints", got, c.wrong)
			}
		})
	}
}

// Places in a configuration that is made of several files are told as places in those.
func TestConfigTextIsRelocated(t *testing.T) {
	t.Parallel()
	c := newConfigText()
	c.path = "/tmp/x.yaml"
	c.add("", "", "a\nb\n")
	c.add("case/tailstock.yaml", "  ", "tables:\n  public."+markerTable+": x\n  public.t:\n")
	got := c.relocate("x: /tmp/x.yaml:5:7: wrong; /tmp/x.yaml:2: ours; /tmp/x.yaml:9: none")
	if want := "x: case/tailstock.yaml:2:7: wrong; /tmp/x.yaml:2: ours; /tmp/x.yaml:9: none"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := c.String(), "a\nb\n  tables:\n    public."+markerTable+": x\n    public.t:\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
