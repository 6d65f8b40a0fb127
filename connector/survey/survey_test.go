package survey_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

func TestTally(t *testing.T) {
	t.Parallel()
	s := &survey.Sample{Columns: []string{"n", "x"}, Rows: []cdc.Row{
		{cdc.Text("2"), cdc.Text("b")}, {cdc.Null, cdc.Text("a")}, {cdc.Text("-1"), cdc.Text("a")}, {cdc.Text("2"), cdc.Text("c")},
	}}
	n := s.Tally("n")
	want := survey.Tally{Rows: 4, Nulls: 1, Values: []survey.Count{{Value: "2", Rows: 2}, {Value: "-1", Rows: 1}}}
	if diff := cmp.Diff(want, n); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
	x := s.Tally("x")
	if x.Values[0].Value != "a" || x.Numeric() || x.Negative() || !n.Numeric() || !n.Negative() {
		t.Errorf("n %+v, x %+v", n, x)
	}
	none := (*survey.Sample)(nil).Tally("n")
	if other := s.Tally("other"); none.Rows != 0 || other.Rows != 0 || none.Numeric() {
		t.Errorf("of nothing: %+v, %+v", none, other)
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	stock := cdc.TableName{Schema: "public", Name: "stock"}
	for _, c := range []struct {
		scope  survey.Scope
		covers bool
	}{
		{survey.Scope{}, true},
		{survey.Scope{Schemas: []string{"public"}}, true},
		{survey.Scope{Schemas: []string{"other"}}, false},
		{survey.Scope{Tables: []cdc.TableName{{Name: "stock"}}}, true},
		{survey.Scope{Tables: []cdc.TableName{{Schema: "other", Name: "stock"}}}, false},
		{survey.Scope{Schemas: []string{"other"}, Tables: []cdc.TableName{{Name: "stock"}}}, false},
	} {
		if got := c.scope.Covers(stock); got != c.covers {
			t.Errorf("%+v covers %s: %t", c.scope, stock, got)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := survey.Table{Name: cdc.TableName{Schema: "s", Name: "t"}, Unique: [][]string{{"a", "b"}}, Columns: []survey.Column{{Column: cdc.Column{Name: "a"}}}}
	if !table.IsUnique("b", "a", "c") || table.IsUnique("a") || table.IsUnique() {
		t.Error("a set of columns is unique if it holds a unique one")
	}
	d := survey.Database{Tables: []survey.Table{table}}
	if d.Table(table.Name) != &d.Tables[0] || d.Table(cdc.TableName{Name: "t"}) != nil || table.Column("a") == nil || table.Column("b") != nil {
		t.Error("tables and columns are found by their names")
	}
}
