package mapping_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// transfer maps a transfer between two sites: promised where it leaves, expected where it goes.
func transfer() []mapping.Rule {
	from := mapping.Rule{Leg: written("from"), When: written("status == 'requested'"), SKU: written("part_no"), Location: written("from_site")}
	from.Quantities[inventory.Committed] = written("qty")
	to := mapping.Rule{Leg: written("to"), When: written("status in ['requested', 'in_transit']"), SKU: written("part_no"), Location: written("to_site")}
	to.Quantities[inventory.Incoming] = written("qty")
	return []mapping.Rule{from, to}
}

func transferRow(status, partNo, qty cdc.Value) []cell {
	return []cell{
		{"status", cdc.TypeText, status},
		{"part_no", cdc.TypeText, partNo},
		{"qty", cdc.TypeInteger, qty},
		textCell("from_site", "DC-NORTH"),
		textCell("to_site", "SHOP-04"),
	}
}

func TestLegs(t *testing.T) {
	t.Parallel()
	three, sku := cdc.Text("3"), cdc.Text("A/C-17*")
	from := inventory.Contribution{Leg: "from", SKU: "A/C-17*", Location: "DC-NORTH", Quantities: inventory.Quantities{inventory.Committed: 3 * inventory.One}}
	to := inventory.Contribution{Leg: "to", SKU: "A/C-17*", Location: "SHOP-04", Quantities: inventory.Quantities{inventory.Incoming: 3 * inventory.One}}
	for _, c := range []struct {
		name string
		row  []cell
		want []inventory.Contribution
	}{
		{"both", transferRow(cdc.Text("requested"), sku, three), []inventory.Contribution{from, to}},
		{"one", transferRow(cdc.Text("in_transit"), sku, three), []inventory.Contribution{to}},
		{"none", transferRow(cdc.Text("received"), sku, three), nil},
		{"none where the condition is NULL", transferRow(cdc.Null, sku, three), nil},
		{"none where no rule applies, whatever the rest is", transferRow(cdc.Text("received"), cdc.Null, cdc.Text("NaN")), nil},
	} {
		got, problem := mapRow(t, c.row, transfer()...)
		if problem != nil {
			t.Errorf("%s: problem %+v", c.name, problem)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// All kinds come out where they belong, also if all of them are zero.
func TestKinds(t *testing.T) {
	t.Parallel()
	r := rule("1")
	for k := range r.Quantities {
		r.Quantities[k] = written([]string{"id", "-id", "0.5", "id - id", "999999999.999999"}[k])
	}
	got, problem := mapRow(t, sample(), r, mapping.Rule{
		Leg: written("zero"), SKU: written("sku"), Location: written("'L'"),
		Quantities: [inventory.Kinds]mapping.Value{written("0")},
	})
	want := []inventory.Contribution{
		{Leg: "stock", SKU: "S", Location: "L", Quantities: inventory.Quantities{42_000000, -42_000000, 500000, 0, 999999999_999999}},
		{Leg: "zero", SKU: "BRK-1234", Location: "L"},
	}
	if diff := cmp.Diff(want, got); diff != "" || problem != nil {
		t.Errorf("problem %+v (-want +got):\n%s", problem, diff)
	}
}

// A quantity that simply is not there counts as nothing, as in SQL's SUM. One that
// cannot be calculated, because something else is not there, is a problem.
func TestNullQuantities(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		"nqty":                     "0",
		"null":                     "0",
		"nqty ?? nqty":             "0",
		"coalesce(null, nqty)":     "0",
		"yes ? nqty : 1":           "0",
		"no ? 1 : null":            "0",
		"yes ? (no ? 1 : nqty):1":  "0",
		"nqty ?? (no ? 1 : nqty)":  "0",
		"nqty ?? 3":                "3",
		"qty ?? nqty":              "12.5",
		"-nqty":                    "is NULL because of nqty; say what a missing value means, as in nqty ?? 0",
		"qty - nqty":               "is NULL because of nqty; say what a missing value means, as in nqty ?? 0",
		"abs(nqty)":                "is NULL because of nqty; say what a missing value means, as in nqty ?? 0",
		"yes ? nqty + 1 : 1":       "is NULL because of nqty; say what a missing value means, as in nqty ?? 0",
		"nqty ?? (nqty + 1)":       "is NULL because of nqty; say what a missing value means, as in nqty ?? 0",
		"number(nsku) + nqty":      "is NULL because of nsku, nqty; say what a missing value means, as in nsku ?? 0",
		"number(part(sku, '/',2))": "is NULL; say what a missing value means, as in x ?? 0",
	} {
		got, problem := mapRow(t, sample(), rule(expression))
		switch {
		case problem != nil && problem.Reason != want:
			t.Errorf("%s: got %s, want %s", expression, problem.Reason, want)
		case problem == nil && got[0].Quantities[inventory.OnHand].String() != want:
			t.Errorf("%s: got %s, want %s", expression, got[0].Quantities[inventory.OnHand], want)
		}
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ field, expression, want string }{
		{"sku", "nsku", "is NULL"},
		{"sku", "nsku + '-' + text(nqty) + nsku", "is NULL because of nsku, nqty"},
		{"sku", "part(sku, '-', 3)", "is NULL"},
		{"sku", "empty", `"": empty`},
		{"sku", "trim('  ')", `"": empty`},
		{"sku", "'a\\tb'", `"a\tb": contains a control character`},
		{"sku", "'" + strings.Repeat("é", 101) + "'", `"` + strings.Repeat("é", 24) + `"... (202 bytes): longer than 200 bytes`},
		{"sku", "broken", `"a\xff": not valid UTF-8`},
		{"sku", "toast", "column toast was not sent"},
		{"sku", "nan", `column nan: "NaN" is not a number`},
		{"sku", "dot", `column dot: ".5" is not a number`},
		{"sku", "inf", "a number is out of range: it is 9.2e12 or larger"},
		{"location", "nsku", "is NULL"},
		{"location", "empty", `"": empty`},
		{"on_hand", "nan", `column nan: "NaN" is not a number`},
		{"on_hand", "inf", "out of range: a quantity must be between -10^9 and 10^9"},
		{"on_hand", "big", "out of range: a quantity must be between -10^9 and 10^9"},
		{"on_hand", "huge", "out of range: a quantity must be between -10^9 and 10^9"},
		{"on_hand", "999999999.999999 + 0.000001", "1000000000 is out of range: a quantity must be between -10^9 and 10^9"},
		{"committed", "-1000000000", "-1000000000 is out of range: a quantity must be between -10^9 and 10^9"},
		{"unavailable", "number(sku)", `"BRK-1234" is not a number`},
		{"unavailable", "number(long)", `"` + strings.Repeat("x", 48) + `"... (1000 bytes) is not a number`},
		{"unavailable", "number('" + strings.Repeat("x", 47) + "éé')", `"` + strings.Repeat("x", 47) + `"... (51 bytes) is not a number`},
		{"safety_stock", "1 / 0", "division by zero"},
		{"incoming", "qty - nqty", "is NULL because of nqty; say what a missing value means, as in nqty ?? 0"},
		{"incoming", "1 + `odd name`", "is NULL because of odd name; say what a missing value means, as in `odd name` ?? 0"},
		{"when", "1 / 0 == 1", "division by zero"},
		{"when", "odd", `column odd: "maybe" is neither true nor false`},
	} {
		cells := append(sample(), cell{"dot", cdc.TypeDecimal, cdc.Text(".5")}, textCell("broken", "a\xff"), textCell("long", strings.Repeat("x", 1000)), cell{"odd name", cdc.TypeInteger, cdc.Null})
		r := rule("0")
		r.Leg = written("second")
		setField(t, &r, c.field, written(c.expression))
		got, problem := mapRow(t, cells, rule("1"), r, transferless())
		want := &inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[1]." + c.field, Reason: c.want}
		if diff := cmp.Diff(want, problem); diff != "" || len(got) != 0 {
			t.Errorf("%s: %s: %d contributions, (-want +got):\n%s", c.field, c.expression, len(got), diff)
		}
	}
}

// transferless is a third rule, which would have its own problem.
func transferless() mapping.Rule {
	r := rule("1 / 0")
	r.Leg = written("third")
	return r
}

// Map appends to what it is given, and takes back what it appended when it rejects the row.
func TestMapAppends(t *testing.T) {
	t.Parallel()
	table, row := tableOf(transferRow(cdc.Text("requested"), cdc.Text("P1"), cdc.Text("3")))
	p, err := compile(t, transfer()...).Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := []inventory.Contribution{{Leg: "before"}}
	out, problem := p.Map(row, before)
	if len(out) != 3 || out[0].Leg != "before" || problem != nil {
		t.Errorf("got %+v and problem %+v, want two contributions behind the one before", out, problem)
	}
	bad := slices.Clone(row)
	bad[2] = cdc.Text("NaN")
	if out, problem := p.Map(bad, before); len(out) != 1 || out[0].Leg != "before" || problem == nil {
		t.Errorf("got %+v and problem %+v, want the one before and a problem", out, problem)
	}
	if _, problem := p.Map(row[:2], nil); problem == nil || problem.Reason != "the row has no column from_site" {
		t.Errorf("a row that is too short: problem %+v", problem)
	}
}

// The order of a table's columns is its own, and so is what other columns it has.
func TestBindFollowsTheTable(t *testing.T) {
	t.Parallel()
	m := compile(t, transfer()...)
	cells := transferRow(cdc.Text("requested"), cdc.Text("P1"), cdc.Text("3"))
	table, row := tableOf(cells)
	slices.Reverse(cells)
	reversed, reversedRow := tableOf(append([]cell{textCell("other", "x")}, cells...))
	a, err := m.Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Bind(reversed, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := a.Map(row, nil)
	got, _ := b.Map(reversedRow, nil)
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 2 {
		t.Errorf("%d contributions (-want +got):\n%s", len(want), diff)
	}
}

// Programs and mappings have no state: many goroutines may use one.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	r := everything()[0]
	r.When, r.Location = written("sku matches '^B' and id in [1, 2, 3, 4, 5, 6, 7, 8, 9, 42]"), written("lower(replace(sku, 'B', 'x'))")
	r.Quantities[inventory.Committed], r.Quantities[inventory.OnHand] = written("len(sku) / 3"), written("nqty")
	bad := rule("nan")
	bad.Leg, bad.When = written("bad"), written("id == 43")
	m := compile(t, r, bad)
	table, row := tableOf(sample())
	p, err := m.Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, wantProblem := p.Map(row, nil)
	if len(want) != 1 || wantProblem != nil {
		t.Fatalf("%d contributions, problem %+v", len(want), wantProblem)
	}
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			mine, err := m.Bind(table, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for range 100 {
				for _, p := range []*mapping.Program{p, mine} {
					got, problem := p.Map(row, nil)
					if diff := cmp.Diff(want, got) + cmp.Diff(wantProblem, problem); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
						return
					}
				}
			}
		})
	}
	g.Wait()
}
