package mapping_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// setField puts a value into the field of a rule that is called name.
func setField(t *testing.T, r *mapping.Rule, name string, v mapping.Value) {
	t.Helper()
	switch name {
	case "leg":
		r.Leg = v
	case "when":
		r.When = v
	case "sku":
		r.SKU = v
	case "location":
		r.Location = v
	case "valid_from":
		r.ValidFrom = v
	case "valid_until":
		r.ValidUntil = v
	default:
		kind, ok := inventory.ParseKind(name)
		if !ok {
			t.Fatalf("no field is called %s", name)
		}
		r.Quantities[kind] = v
	}
}

// Every line of wrong.txt is refused, at its place.
func TestErrorsOfExpressions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		t.Fatal(err)
	}
	table, _ := tableOf(sample())
	var got strings.Builder
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		name, expression, ok := strings.Cut(line, ":")
		if line == "" || line[0] == '#' {
			continue
		}
		if !ok {
			t.Fatalf("line %d has no field", number)
		}
		r := rule("0")
		place := mapping.Place{Line: number, Column: len(name) + 3}
		setField(t, &r, name, mapping.Value{Text: strings.TrimPrefix(expression, " "), Place: place, Inline: true})
		m, err := mapping.Compile(table.Name, mapping.Spec{File: "wrong.txt", Contributes: []mapping.Rule{r}})
		if err == nil {
			_, err = m.Bind(table, nil)
		}
		var list mapping.Errors
		if !errors.As(err, &list) {
			t.Errorf("line %d: %s: error %v, want mapping.Errors", number, line, err)
			continue
		}
		fmt.Fprintf(&got, "%s\n%v\n\n", line, err)
	}
	golden(t, "wrong.golden", got.String())
}

// at is a value at a place of a file.
func at(line, column int, text string) mapping.Value {
	return mapping.Value{Text: text, Place: mapping.Place{Line: line, Column: column}, Inline: true}
}

// All problems are reported at once, with what is known of their places.
func TestErrorsOfRules(t *testing.T) {
	t.Parallel()
	many := make([]mapping.Rule, 101)
	for i := range many {
		many[i] = rule("1")
		many[i].Leg = written(fmt.Sprint("leg ", i))
	}
	twice := []mapping.Rule{rule("qty"), rule("qty"), rule("qty"), rule("qty"), rule("qty")}
	twice[1].Place = mapping.Place{Line: 5, Column: 9}
	twice[2].Leg = at(7, 14, "stock")
	twice[3].Leg = at(9, 14, "")
	twice[4].Leg = at(10, 14, strings.Repeat("x", 201))
	folded := rule("0")
	folded.SKU = mapping.Value{Text: "upper(\n  skuu)", Place: mapping.Place{Line: 3, Column: 7}}
	nowhere := rule("qty")
	nowhere.When = written("yes and\nno = 1")
	long := rule(strings.Repeat("1+", 2048) + "1")
	long.When = at(4, 9, "not "+strings.Repeat("(", 201)+"yes"+strings.Repeat(")", 201))
	long.SKU = at(5, 9, strings.Repeat("upper(", 200)+"'x'"+strings.Repeat(")", 200))
	long.Location = at(6, 9, "'\xff'")
	long.Quantities[inventory.Committed] = at(7, 9, "qty"+strings.Repeat("+qty", 201))
	long.Quantities[inventory.Incoming] = at(8, 9, strings.Repeat("-", 4000)+"qty")
	nothing := mapping.Rule{Place: mapping.Place{Line: 2, Column: 5}}
	wrong := rule("qyt")
	wrong.SKU, wrong.Location = at(11, 10, "skuu"), at(12, 15, "upper(id)")

	table, _ := tableOf(sample())
	var got strings.Builder
	for _, c := range []struct {
		name string
		spec mapping.Spec
	}{
		{"no rules", mapping.Spec{File: "f.yaml", Place: mapping.Place{Line: 1, Column: 3}}},
		{"too many rules", mapping.Spec{Contributes: many}},
		{"empty rule", mapping.Spec{File: "f.yaml", Contributes: []mapping.Rule{nothing}}},
		{"legs", mapping.Spec{File: "f.yaml", Contributes: twice}},
		{"a value on several lines", mapping.Spec{File: "f.yaml", Contributes: []mapping.Rule{folded}}},
		{"no places", mapping.Spec{Contributes: []mapping.Rule{nowhere}}},
		{"too large", mapping.Spec{File: "f.yaml", Contributes: []mapping.Rule{long}}},
		{"every field is checked against the columns", mapping.Spec{File: "f.yaml", Contributes: []mapping.Rule{wrong}}},
	} {
		m, err := mapping.Compile(table.Name, c.spec)
		if err == nil {
			_, err = m.Bind(table, nil)
		}
		if err == nil {
			t.Errorf("%s: no error", c.name)
		}
		fmt.Fprintf(&got, "%s\n%v\n\n", c.name, err)
	}
	golden(t, "rules.golden", got.String())
}

func TestErrorsUnwrap(t *testing.T) {
	t.Parallel()
	r := rule("qty +")
	r.SKU = at(3, 10, "'x' + + 'y'")
	_, err := mapping.Compile(cdc.TableName{Name: "t"}, mapping.Spec{File: "f.yaml", Contributes: []mapping.Rule{r}})
	var first *mapping.Error
	if !errors.As(err, &first) {
		t.Fatalf("got %v, want a mapping.Error in it", err)
	}
	want := mapping.Error{
		File: "f.yaml", Place: mapping.Place{Line: 3, Column: 16}, Table: cdc.TableName{Name: "t"},
		Path: "contributes[0].sku", Reason: "a sign + is not in the language; leave it out",
	}
	if *first != want {
		t.Errorf("got %+v, want %+v", *first, want)
	}
	if got := (mapping.Place{}).String(); got != "" {
		t.Errorf("an unknown place is %q, want nothing", got)
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 2 {
		t.Errorf("%d lines, want one for each of two errors:\n%v", n, err)
	}
}

// The names that an error lists begin with the one that was meant.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	wide := &cdc.Table{Name: cdc.TableName{Schema: "public", Name: "wide"}}
	for i := range 60 {
		wide.Columns = append(wide.Columns, cdc.Column{Name: fmt.Sprintf("column_%02d", i), Type: cdc.TypeInteger})
	}
	for _, c := range []struct{ name, want string }{
		{"column_5", "its columns are column_05, column_00, column_01,"},
		{"COLUMN_57", "its columns are column_57, column_00, column_01,"},
		{"quantity", "its columns are column_00, column_01, column_02,"},
		{"qty", "column_37, column_38, column_39 and 20 more; for the text itself write 'qty'"},
	} {
		_, err := compile(t, rule(c.name)).Bind(wide, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s in it", c.name, err, c.want)
		}
	}
}
