package mapping_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// Each line is an expression and what it gives for the row of quant. A ? is what
// waits for a row of a lookup.
const lookupLanguage = `
product[product_id].code => BRK-1
product[decimal_id].code => BRK-1
product[product_id]['odd name'] => odd
product[product_id].weight => 1.5
product[product_id].weight * 2 => 3
product[product_id].active => true
product[product_id].float => 2.5
product[other_id].code => NULL
product[other_id].code ?? 'none' => none
product[other_id].weight == null => true
product[other_id].weight ?? 1 => 1
product[no_id].code => NULL
product[no_id].code ?? 'none' => none
product[no_id].code == null => true
product[gone_id].code => ?lookup product: table public.product has no row "99" yet
product[gone_id].code ?? 'none' => ?lookup product: table public.product has no row "99" yet
product[gone_id].code == null => ?lookup product: table public.product has no row "99" yet
product[odd_id].weight => !product[odd_id].weight: "x" is not a number
product[odd_id].active ? 1 : 0 => !product[odd_id].active: "maybe" is neither true nor false
template[product[product_id].template_id].brand => ATE
template[product[product_id].template_id].id => 7
template[product[other_id].template_id].brand => !lookup template: table public.template has no row "8"
template[product[odd_id].template_id].brand => NULL
template[product[gone_id].template_id].brand => ?lookup product: table public.product has no row "99" yet
unit[unit].factor ?? 1 => 1
unit[template[product[product_id].template_id].unit_id].factor => 3
few[product_id].code => BRK-1
product[product_id].code in ['BRK-1', 'x'] => true
location[location_id].usage == 'internal' and product[product_id].active => true
nearest(location[location_id], usage == 'view').name => WH
nearest(by_path[location_id], usage == 'view').name => WH
nearest(nested[location_id], usage == 'view').name => WH
nearest(location[location_id], usage == 'internal').name => Shelf
nearest(location[location_id], name in ['Stock', 'WH']).name => Stock
nearest(location[location_id], usage == 'nothing').name => NULL
nearest(location[no_id], usage == 'view').name => NULL
nearest(location[gone_id], usage == 'view').name => ?lookup location: table public.location has no row "99" yet
nearest(location[lost_id], usage == 'view').name => ?lookup location: table public.location has no row "51" yet
nearest(by_path[lost_id], usage == 'view').name => ?lookup by_path: table public.location has no row "51" yet
nearest(nested[lost_id], usage == 'view').name => NULL
nearest(location[lost_id], usage == 'internal').name => Lost
nearest(location[round_id], usage == 'view').name => !lookup location: more than 100 rows stand above each other, as in a circle
nearest(location[location_id], parent_id == null).id => 1
nearest(location[location_id], usage == null or parent_id < 2).name => Stock
template[nearest(location[location_id], template_id != null).template_id].brand => ATE
within(location[location_id], name == 'Stock') => true
within(by_path[location_id], name == 'WH') => true
within(nested[location_id], name == 'Stock') => true
within(nested[scrap_id], name == 'Stock') => false
within(location[location_id], name == 'Scrap') => false
within(location[scrap_id], name == 'Scrap') => true
within(location[no_id], name == 'Scrap') => NULL
within(location[lost_id], name == 'Scrap') => ?lookup location: table public.location has no row "51" yet
within(location[location_id], true) => true
pair[product_id, unit].name => Box of 42
pair[decimal_id, unit].name => Box of 42
pair[42, unit].name => Box of 42
pair[43, unit].name => Box of 43
pair[const.company, unit].name => Box of 42
pair[product_id, 'ROOT'].name => Root
pair[product_id, odd_unit].name => Odd
pair [ product_id , /* the unit */ unit ] . name + '/' + pair[other_id,unit].name => Box of 42/Box of 43
product[pair[product_id, unit].product_id].template_id => 8
pair[product[product_id].id, unit].name => Box of 42
pair[nearest(location[location_id], name == 'Shelf').id, pair[product_id, unit].up_b].name => Root
pair[no_id, unit].name => NULL
pair[product_id, no_unit].name ?? 'none' => none
pair[gone_id, unit].name => ?lookup pair: table public.pair has no row "[\"99\",\"BOX\"]" yet
pair[product[gone_id].id, unit].name => ?lookup product: table public.product has no row "99" yet
same_pair[gone_id, unit].name ?? 'none' => none
same_pair[product_id, unit].name ?? 'none' => Box of 42
nearest(pair[product_id, unit], up_a == null).name => Root
nearest(pair[other_id, unit], up_a == null).name => NULL
nearest(pair[product_id, odd_unit], up_a == null).name => ?lookup pair: table public.pair has no row "[\"42\",\"LOST\"]" yet
within(pair[product_id, unit], name == 'Root') => true
within(pair[product_id, unit], name in ['a', 'b']) => false
exists(product[product_id]) => true
exists(product[gone_id]) => false
exists(product[no_id]) => false
not exists(product[no_id]) => true
exists(pair[product_id, unit]) => true
exists(pair[gone_id, unit]) => false
exists(turned[unit, product_id]) => true
exists(turned[unit, gone_id]) => false
exists(named[unit]) => false
exists(named[pair[product_id, unit].name]) => true
exists(named[no_unit]) => false
exists(named[pair[gone_id, unit].name]) => ?lookup pair: table public.pair has no row "[\"99\",\"BOX\"]" yet
exists(above[product_id, root, true]) => true
exists(above[decimal_id, 'ROOT', true]) => true
exists(above[product_id, root, false]) => false
exists(above[product_id, 'LOST', false]) => true
exists(above[product_id, 'LOST', null]) => false
exists(above[no_id, root, true]) => false
exists(named[unit]) or exists(above[42, root, true]) => true
zone[unit] => NULL
zone[unit] ?? 'DC9' => DC9
factor[unit] => 12
qty * factor[unit] => 150
factor[product_id] => -0.5
const.company => 42
const.company == product_id => true
const.site => DC1
const.code => 007
const.on => true
scale(qty, 1, 3) => 4.166667
scale(10, 1, 3) * 3 => 9.999999
scale(10, 3, 3) => 10
scale(1, 2, 0) => !division by zero
scale(-5, 1, 2) => -2.5
scale(no_id, 1, 2) => NULL
scale(9000000, 9000000, 1000000) => 81000000
scale(9000000000000, 2, 1) => !a number is out of range: it is 9.2e12 or larger
extract('ABC-123/x', '([A-Z]+)-([0-9]+)', 2) => 123
extract('ABC-123/x', '([A-Z]+)-([0-9]+)', 0) => ABC-123
extract('abc', '([A-Z]+)', 1) => NULL
extract('abc', 'a(x)?', 1) => NULL
partno('12-34 a.b/c_d') => 1234ABCD
partno('0012') => 0012
partno('１２－３４') => 1234
partno('12\u200b3') => 123
partno('12−34') => 1234
partno('ä-1') => Ä1
partno('ATE', '13.0460-2718.2') => ATE:13046027182
partno(' bosch ', '0 986-494') => BOSCH:0986-494
partno('', 'x-1') => X1
partno('- -') => !partno: nothing is left of "- -"
partno(product[other_id].code) => NULL
partno(template[product[product_id].template_id].brand, product[product_id].code) => ATE:BRK1
`

// evalIn is eval with lookups; what waits begins with ?.
func evalIn(t testing.TB, l *mapping.Lookups, cells []cell, expression string) string {
	t.Helper()
	r := rule("0")
	r.SKU = written("'=' + text(" + expression + ")")
	out, problem := mapIn(t, l, cells, r)
	switch {
	case problem == nil:
		return strings.TrimPrefix(string(out[0].SKU), "=")
	case problem.Kind == inventory.Unresolved:
		return "?" + problem.Reason
	case strings.HasPrefix(problem.Reason, "is NULL"):
		return "NULL"
	}
	return "!" + problem.Reason
}

func TestLookupLanguage(t *testing.T) {
	t.Parallel()
	l := tables()
	for line := range strings.Lines(lookupLanguage) {
		expression, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " => ")
		if !ok {
			continue
		}
		if got := evalIn(t, l, quant(), expression); got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}

// A name in backticks between brackets is a column, as everywhere.
func TestLookupByOddColumn(t *testing.T) {
	t.Parallel()
	if got := evalIn(t, tables(), quant(), "product[`odd col`].code"); got != "BRK-1" {
		t.Errorf("got %s", got)
	}
}

// Every line of wrong_lookups.txt is refused, at its place.
func TestErrorsOfLookups(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/wrong_lookups.txt")
	if err != nil {
		t.Fatal(err)
	}
	table, _ := tableOf(quant())
	var got strings.Builder
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		name, expression, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("line %d has no field", number)
		}
		r := rule("0")
		setField(t, &r, name, at(number, len(name)+3, expression))
		m, err := compileIn(t, shop(), r)
		if err == nil {
			_, err = m.Bind(table, tables())
		}
		var list mapping.Errors
		if !errors.As(err, &list) {
			t.Errorf("line %d: %s: error %v, want mapping.Errors", number, line, err)
			continue
		}
		fmt.Fprintf(&got, "%s\n%v\n\n", line, err)
	}
	golden(t, "wrong_lookups.golden", got.String())
}

// Where lookups are not exact yet, nothing is rejected for want of a row.
func TestUnsettledRejectsNothing(t *testing.T) {
	t.Parallel()
	l := tables()
	l.Unsettled = true
	want := `?lookup template: table public.template has no row "8" yet`
	if got := evalIn(t, l, quant(), "template[product[other_id].template_id].brand"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMissedIsTold(t *testing.T) {
	t.Parallel()
	l := tables()
	var missed []string
	l.Missed = func(table cdc.TableName, key string) { missed = append(missed, table.Name+" "+key) }
	for _, e := range []string{
		"product[gone_id].code", "unit[unit].factor ?? 1", "template[product[other_id].template_id].brand",
		"nearest(location[lost_id], usage == 'view').name", "product[product_id].code", "product[no_id].code",
	} {
		evalIn(t, l, quant(), e)
	}
	if want := []string{"product 99", "unit BOX", "template 8", "location 51"}; !slices.Equal(missed, want) {
		t.Errorf("told of %q, want %q", missed, want)
	}
}

// Programs see every change of the rows that they look up.
func TestProgramsSeeChanges(t *testing.T) {
	t.Parallel()
	l := tables()
	r := rule("1")
	r.SKU, r.Location = written("product[product_id].code"), written("nearest(nested[location_id], usage == 'view').name")
	m, err := compileIn(t, shop(), r)
	if err != nil {
		t.Fatal(err)
	}
	table, row := tableOf(quant())
	p, err := m.Bind(table, l)
	if err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		out, problem := p.Map(row, nil)
		if got := told(out, problem, want); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check("BRK-1 at WH: on_hand 1")
	put(l.Table(tableNamed("product")), "42", "NEW", "7", "1", "t", "", "1")
	put(l.Table(tableNamed("location")), "2", "Zone", "view", "1", "1/2/", "2", "5", "NULL")
	check("NEW at Zone: on_hand 1")
	put(l.Table(tableNamed("location")), "2", "Zone", "view", "1", "1/2/", "100", "101", "NULL")
	check("NEW at WH: on_hand 1")
	put(l.Table(tableNamed("product")), "42", "NULL", "7", "1", "t", "", "1")
	check("rejected: contributes[0].sku: is NULL because of product[product_id].code")
	l.Table(tableNamed("product")).Rows.Delete("42")
	check(`unresolved: contributes[0].sku: lookup product: table public.product has no row "42" yet`)
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sku     string
		want    []string
		columns map[string][]string
	}{
		{"'x'", nil, map[string][]string{}},
		{"product[product_id].code", []string{"product_id -> product.code"}, map[string][]string{"product": {"code"}}},
		{
			"template[product[product_id].template_id].brand + product[product_id].code",
			[]string{"product_id -> product.template_id -> template.brand", "product_id -> product.template_id", "product_id -> product.code"},
			map[string][]string{"product": {"template_id", "code"}, "template": {"brand"}},
		},
		{
			"nearest(location[location_id], usage == 'view').name",
			[]string{"location_id -> location and above.name", "location_id -> location and above.usage", "location_id -> location and above.parent_id"},
			map[string][]string{"location": {"name", "parent_id", "usage"}},
		},
		{
			"nearest(nested[location_id], usage == 'view').name",
			[]string{"location_id -> nested and above.name", "location_id -> nested and above.usage"},
			map[string][]string{"location": {"name", "lft", "rgt", "usage"}},
		},
		{
			"text(within(by_path[location_id], usage == 'view'))",
			[]string{"location_id -> by_path and above.usage", "location_id -> by_path and above.parent_path"},
			map[string][]string{"location": {"usage", "parent_path"}},
		},
		{
			"pair[product_id, unit].name", []string{"(product_id, unit) -> pair.name"}, map[string][]string{"pair": {"name"}},
		},
		{
			"pair[42, unit].name", []string{`unit -> pair.name [1: ["42"]]`}, map[string][]string{"pair": {"name"}},
		},
		{
			"product[pair[product_id, unit].product_id].code",
			[]string{"(product_id, unit) -> pair.product_id -> product.code", "(product_id, unit) -> pair.product_id"},
			map[string][]string{"pair": {"product_id"}, "product": {"code"}},
		},
		{
			"pair[pair[product_id, unit].up_a, pair[product_id, unit].up_b].name",
			[]string{
				"(product_id, unit) -> pair.(up_a, up_b) -> pair.name",
				"(product_id, unit) -> pair.up_a", "(product_id, unit) -> pair.up_b",
			},
			map[string][]string{"pair": {"up_a", "up_b", "name"}},
		},
		{
			"pair[id, product[product_id].code].name",
			[]string{"product_id -> product.code -> pair.name", "product_id -> product.code"},
			map[string][]string{"product": {"code"}, "pair": {"name"}},
		},
		{
			"nearest(pair[product_id, unit], on).name",
			[]string{
				"(product_id, unit) -> pair and above.name", "(product_id, unit) -> pair and above.on",
				"(product_id, unit) -> pair and above.up_a", "(product_id, unit) -> pair and above.up_b",
			},
			map[string][]string{"pair": {"name", "up_a", "up_b", "on"}},
		},
		{
			"text(exists(above[product_id, unit, true]))",
			[]string{`(product_id, unit) -> above exists [3: ["t"]]`},
			map[string][]string{"pair": {"up_a", "up_b", "on"}},
		},
		{"text(exists(product[product_id]))", []string{"product_id -> product exists"}, map[string][]string{"product": {}}},
		{
			"template[nearest(location[location_id], template_id != null).template_id].brand",
			[]string{
				"location_id -> location and above.template_id -> template.brand",
				"location_id -> location and above.template_id", "location_id -> location and above.parent_id",
			},
			map[string][]string{"location": {"template_id", "parent_id"}, "template": {"brand"}},
		},
	} {
		r := rule("1")
		r.SKU = written(tt.sku)
		m, err := compileIn(t, shop(), r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, ways(m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.sku, diff)
		}
		columns, named := map[cdc.TableName][]string{}, map[string][]string{}
		m.LookupColumns(columns)
		for table, list := range columns {
			named[table.Name] = list
		}
		if diff := cmp.Diff(tt.columns, named); diff != "" {
			t.Errorf("%s: columns (-want +got):\n%s", tt.sku, diff)
		}
	}
}

// ways are the references of m as people know them.
func ways(m *mapping.Mapping) []string {
	var out []string
	for _, r := range m.References() {
		out = append(out, r.String())
	}
	return out
}

// Each column of the mapped table that names a row of a lookup is captured.
func TestColumnsWithLookups(t *testing.T) {
	t.Parallel()
	r := rule("qty * factor[unit]")
	r.SKU, r.Location = written("product[product_id].code"), written("nearest(location[location_id], usage == 'view').name")
	m, err := compileIn(t, shop(), r)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"product_id", "location_id", "qty", "unit"}; !slices.Equal(m.Columns(), want) {
		t.Errorf("columns %q, want %q", m.Columns(), want)
	}
}

func TestDefaultLocation(t *testing.T) {
	t.Parallel()
	v := shop()
	v.Location = written("const.site")
	r := mapping.Rule{SKU: written("'S'")}
	r.Quantities[inventory.OnHand] = written("1")
	m, err := compileIn(t, v, r)
	if err != nil {
		t.Fatal(err)
	}
	table, row := tableOf(quant())
	p, err := m.Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, problem := p.Map(row, nil); problem != nil || out[0].Location != "DC1" {
		t.Errorf("got %v, %v", out, problem)
	}
}

// everythingUsed is a rule that uses every part of a vocabulary.
func everythingUsed() mapping.Rule {
	r := rule("qty * factor[unit] + unit[unit].factor")
	r.When = written("within(nested[location_id], name == 'WH') and const.company == 42")
	r.SKU = written("partno(template[product[product_id].template_id].brand, product[product_id]['odd name'])")
	r.Location = written("nearest(by_path[location_id], usage == 'view').name ?? zone[unit] ?? nearest(location[location_id], true).name")
	return r
}

// TestCanonicalOfLookups pins the canonical text of a mapping with all of a vocabulary.
func TestCanonicalOfLookups(t *testing.T) {
	t.Parallel()
	m, err := compileIn(t, shop(), everythingUsed())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "canonical_lookups.golden", string(m.Canonical())+"\n"+string(m.ID())+"\n")
	parsed, err := mapping.Parse(m.Canonical())
	if err != nil || parsed.ID() != m.ID() {
		t.Fatalf("read back: %v, %v", parsed, err)
	}
	if diff := cmp.Diff(ways(m), ways(parsed)); diff != "" {
		t.Errorf("references (-written +read):\n%s", diff)
	}
}

// What a mapping uses of a vocabulary is in its id, and nothing else of it is.
func TestIDOfLookups(t *testing.T) {
	t.Parallel()
	id := func(change func(v *mapping.Vocabulary)) inventory.MappingID {
		v := shop()
		change(v)
		m, err := compileIn(t, v, everythingUsed())
		if err != nil {
			t.Fatal(err)
		}
		return m.ID()
	}
	strip := "-"
	plain := id(func(*mapping.Vocabulary) {})
	for name, change := range map[string]func(v *mapping.Vocabulary){
		"table":        func(v *mapping.Vocabulary) { v.Lookups[0].Table = tableNamed("other") },
		"key":          func(v *mapping.Vocabulary) { v.Lookups[0].Key = []string{"id"} },
		"key of two":   func(v *mapping.Vocabulary) { v.Lookups[0].Key = []string{"id", "code"} },
		"missing":      func(v *mapping.Vocabulary) { v.Lookups[0].Missing = mapping.MissingIsNull },
		"tree":         func(v *mapping.Vocabulary) { v.Lookups[2].Tree.Parent = []string{"name"} },
		"separator":    func(v *mapping.Vocabulary) { v.Lookups[3].Tree.Separator = "." },
		"map":          func(v *mapping.Vocabulary) { v.Maps[0].Entries[0].Text = "DC3" },
		"constant":     func(v *mapping.Vocabulary) { v.Constants[0].Text = "43" },
		"partno":       func(v *mapping.Vocabulary) { v.Partno.Strip = &strip },
		"collisions":   func(v *mapping.Vocabulary) { v.Partno.RejectCollisions = true },
		"partno brand": func(v *mapping.Vocabulary) { v.Partno.Brands[0].Strip = "-" },
	} {
		if id(change) == plain {
			t.Errorf("%s: the id is the same", name)
		}
	}
	for name, change := range map[string]func(v *mapping.Vocabulary){
		"a lookup more": func(v *mapping.Vocabulary) {
			v.Lookups = append(v.Lookups, mapping.Lookup{Name: "x", Table: tableNamed("x")})
		},
		"order":          func(v *mapping.Vocabulary) { slices.Reverse(v.Lookups); slices.Reverse(v.Maps[0].Entries) },
		"brand spelling": func(v *mapping.Vocabulary) { v.Partno.Brands[0].Brand = " bosch" },
		"constant":       func(v *mapping.Vocabulary) { v.Constants[1].Text = "x" },
	} {
		if id(change) != plain {
			t.Errorf("%s: the id is another", name)
		}
	}
}

func TestVocabularyCheck(t *testing.T) {
	t.Parallel()
	place := mapping.Place{Line: 3, Column: 5}
	bad := "a-"
	v := &mapping.Vocabulary{
		Lookups: []mapping.Lookup{
			{Name: "no name", Place: place, Table: tableNamed("x")},
			{Name: "in", Place: place, Table: tableNamed("x")},
			{Name: "const", Place: place, Table: tableNamed("x")},
			{Name: "twice", Place: place, Table: tableNamed("x")},
			{Name: "twice", Place: place, Table: tableNamed("x")},
			{Name: "untabled", Place: place},
			{Name: "half", Place: place, Table: tableNamed("x"), Tree: mapping.Tree{Left: "lft"}},
			{Name: "both", Place: place, Table: tableNamed("x"), Tree: mapping.Tree{Parent: []string{"p"}, Path: "q"}},
			{Name: "wide", Place: place, Table: tableNamed("x"), Key: make([]string, 17)},
			{Name: "doubled", Place: place, Table: tableNamed("x"), Key: []string{"a", "b", "a"}},
			{Name: "uneven", Place: place, Table: tableNamed("x"), Key: []string{"a", "b"}, Tree: mapping.Tree{Parent: []string{"p"}}},
			{Name: "pathless", Place: place, Table: tableNamed("x"), Key: []string{"a", "b"}, Tree: mapping.Tree{Path: "p"}},
			{Name: "separated", Place: place, Table: tableNamed("x"), Tree: mapping.Tree{Parent: []string{"p"}, Separator: "."}},
		},
		Maps: []mapping.Map{
			{Name: "twice", Place: place, Entries: []mapping.MapEntry{{Key: "a", Text: "b"}}},
			{Name: "empty", Place: place},
			{Name: "double", Place: place, Entries: []mapping.MapEntry{{Key: "a", Text: "b", Place: place}, {Key: "a", Text: "c", Place: place}}},
			{Name: "long", Place: place, Entries: []mapping.MapEntry{{Key: "a", Text: strings.Repeat("x", 201), Place: place}}},
		},
		Constants: []mapping.Constant{{Name: "twice", Place: place}, {Name: "1x", Place: place}},
		Partno: mapping.PartnoRules{Place: place, Strip: &bad, Brands: []mapping.PartnoBrand{
			{Brand: "ATE", Place: place, Strip: "–"}, {Brand: "ate ", Place: place}, {Brand: " ", Place: place},
		}},
	}
	golden(t, "vocabulary.golden", v.Check("shop.yaml").Error()+"\n")
	if errs := shop().Check(""); len(errs) > 0 {
		t.Errorf("a sound vocabulary: %v", errs)
	}
}

// A part number's key is its own key, and comparing ignores capitals, width and dashes.
func TestPartnoIsIdempotent(t *testing.T) {
	t.Parallel()
	l := tables()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringOfN(rapid.SampledFrom([]rune("aZ9-‐–−. /ß１Ａﬁǆ\u200b\u00a0éẞ")), 1, 12, 40).Draw(t, "part number")
		key := func(s string) string {
			r := rule("0")
			r.SKU = written("'=' + partno(s)")
			m, err := mapping.Compile(tableNamed("stock"), mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: shop()})
			if err != nil {
				t.Fatal(err)
			}
			table, row := tableOf([]cell{textCell("s", s)})
			p, err := m.Bind(table, l)
			if err != nil {
				t.Fatal(err)
			}
			out, problem := p.Map(row, nil)
			if problem != nil {
				return "!" + problem.Reason
			}
			return strings.TrimPrefix(string(out[0].SKU), "=")
		}
		once := key(raw)
		if strings.HasPrefix(once, "!") {
			return
		}
		if again := key(once); again != once {
			t.Fatalf("%q becomes %q, which becomes %q", raw, once, again)
		}
		if lower := key(strings.ToLower(once)); lower != once && !strings.ContainsAny(once, "ẞß") {
			t.Fatalf("%q and %q are not the same: %q", once, strings.ToLower(once), lower)
		}
	})
}

func TestSamePartno(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"12-34", "12-34", true},
		{"12-34", "12.34", true},
		{"12-34", "12 - 34", true},
		{"12-34", "1234", true},
		{"12-34", "-12-34-", true},
		{"12-34", "123-4", false},
		{"12-34", "1-2-34", false},
		{"12-34-", "1234-", true},
		{"", "-", true},
		{"A-B", "A-B-", true},
		{"A-B-C", "A-BC", false},
	} {
		if mapping.SamePartno(tt.a, tt.b) != tt.want || mapping.SamePartno(tt.b, tt.a) != tt.want {
			t.Errorf("%q and %q: want %t", tt.a, tt.b, tt.want)
		}
	}
}

func TestSpelledIsTold(t *testing.T) {
	t.Parallel()
	l := tables()
	var told []string
	l.Spelled = func(key, spelled, holder string) (string, bool) {
		told = append(told, strings.TrimSpace(key+" of "+spelled+" "+holder))
		return "", holder != "" || key == "1234A"
	}
	for _, e := range []string{
		"partno('12–34 a')", "partno('Bosch', '1-2')", "partno('-')", "partno(product[other_id].code)",
		"partno(upper(pair[product_id, unit].name))", "partno(product[product_id].code)",
	} {
		evalIn(t, l, quant(), e)
	}
	want := []string{
		"1234A of 12-34 A", "BOSCH:1-2 of 1-2", "BOSCH:1-2 of 1-2 public.stock [1]",
		"BOXOF42 of BOX OF 42", `BOXOF42 of BOX OF 42 public.pair ["42","BOX"]`, "BRK1 of BRK-1", "BRK1 of BRK-1 public.product 42",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// A part number that becomes one with another is rejected where that is configured.
func TestCollisionsAreRejected(t *testing.T) {
	t.Parallel()
	for rejects, want := range map[bool]string{
		false: "1234 at L: on_hand 1",
		true: `rejected: contributes[0].sku: partno: "12-34" becomes 1234, and so does "1-234": ` +
			"give their brand a rule of its own if they are two articles",
	} {
		v, l := shop(), tables()
		v.Partno.RejectCollisions = rejects
		l.Spelled = func(key, spelled, _ string) (string, bool) { return "1-234", true }
		r := rule("1")
		r.SKU, r.Location = written("partno('12-34')"), written("'L'")
		m, err := compileIn(t, v, r)
		if err != nil {
			t.Fatal(err)
		}
		table, row := tableOf(quant())
		p, err := m.Bind(table, l)
		if err != nil {
			t.Fatal(err)
		}
		out, problem := p.Map(row, nil)
		if got := told(out, problem, want); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
