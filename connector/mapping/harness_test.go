package mapping_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata, or writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got), -update writes it anew:\n%s", path, diff)
	}
}

// cell is a column of a test's table with its value in the test's row.
type cell struct {
	name  string
	typ   cdc.Type
	value cdc.Value
}

// sample is the row that the tests of the language look at.
func sample() []cell {
	return []cell{
		{"id", cdc.TypeInteger, cdc.Text("42")},
		{"qty", cdc.TypeDecimal, cdc.Text("12.500")},
		{"big", cdc.TypeInteger, cdc.Text("9223372036854775807")},
		{"huge", cdc.TypeInteger, cdc.Text("-123456789012345678901234567890")},
		{"gtin", cdc.TypeDecimal, cdc.Text("09501101530003.00")},
		{"zero", cdc.TypeDecimal, cdc.Text("-0.00")},
		{"residue", cdc.TypeFloat, cdc.Text("0.30000000000000004")},
		{"inf", cdc.TypeFloat, cdc.Text("Infinity")},
		{"nan", cdc.TypeDecimal, cdc.Text("NaN")},
		{"sku", cdc.TypeText, cdc.Text("BRK-1234")},
		{"part name", cdc.TypeText, cdc.Text("Brake disc")},
		{"empty", cdc.TypeText, cdc.Text("")},
		{"padded", cdc.TypeText, cdc.Text("A1    ")},
		{"yes", cdc.TypeBool, cdc.Text("t")},
		{"no", cdc.TypeBool, cdc.Text("f")},
		{"odd", cdc.TypeBool, cdc.Text("maybe")},
		{"nqty", cdc.TypeDecimal, cdc.Null},
		{"nsku", cdc.TypeText, cdc.Null},
		{"nbool", cdc.TypeBool, cdc.Null},
		{"day", cdc.TypeDate, cdc.Text("2026-11-27")},
		{"toast", cdc.TypeText, cdc.Unchanged},
		{"grave`s", cdc.TypeText, cdc.Text("odd")},
		{"größe", cdc.TypeText, cdc.Text("XL")},
	}
}

func tableOf(cells []cell) (*cdc.Table, cdc.Row) {
	table := &cdc.Table{Name: cdc.TableName{Schema: "public", Name: "stock"}, Key: []int{0}}
	var row cdc.Row
	for _, c := range cells {
		table.Columns = append(table.Columns, cdc.Column{Name: c.name, Type: c.typ})
		row = append(row, c.value)
	}
	return table, row
}

// written is an expression as it stands in no file.
func written(text string) mapping.Value { return mapping.Value{Text: text} }

// rule returns a rule for sku 'S' at location 'L' that contributes on_hand.
func rule(onHand string) mapping.Rule {
	r := mapping.Rule{SKU: written("'S'"), Location: written("'L'")}
	r.Quantities[inventory.OnHand] = written(onHand)
	return r
}

func compile(t testing.TB, rules ...mapping.Rule) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Compile(cdc.TableName{Schema: "public", Name: "stock"}, mapping.Spec{Contributes: rules})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mapRow binds the rules to the cells' table and maps their row.
func mapRow(t testing.TB, cells []cell, rules ...mapping.Rule) ([]inventory.Contribution, *inventory.Problem) {
	t.Helper()
	table, row := tableOf(cells)
	p, err := compile(t, rules...).Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.Map(row, nil)
}

// eval returns what an expression of any kind gives as text: "NULL" for NULL, and
// "!" with the reason where it has no value.
func eval(t testing.TB, cells []cell, expression string) string {
	t.Helper()
	r := rule("0")
	r.SKU = written("'=' + text(" + expression + ")")
	out, problem := mapRow(t, cells, r)
	switch {
	case problem == nil:
		return strings.TrimPrefix(string(out[0].SKU), "=")
	case strings.HasPrefix(problem.Reason, "is NULL"):
		return "NULL"
	}
	return "!" + problem.Reason
}

func textCell(name, value string) cell { return cell{name, cdc.TypeText, cdc.Text(value)} }
