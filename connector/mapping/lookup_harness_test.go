package mapping_test

import (
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/lookup"
	"tailstock/connector/mapping"
)

func tableNamed(name string) cdc.TableName { return cdc.TableName{Schema: "public", Name: name} }

// referenceTable is a reference table with its rows, whose first column is the key.
func referenceTable(name string, columns []cdc.Column, rows ...[]string) *mapping.LookupTable {
	return referenceTableOf(tableNamed(name), []int{0}, columns, rows...)
}

// referenceTableOf is referenceTable with the key's columns.
func referenceTableOf(name cdc.TableName, key []int, columns []cdc.Column, rows ...[]string) *mapping.LookupTable {
	t := &mapping.LookupTable{Def: &cdc.Table{Name: name, Columns: columns, Key: key}}
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	t.Rows = lookup.New(names)
	for _, r := range rows {
		put(t, r...)
	}
	return t
}

// put writes a row; NULL is NULL.
func put(t *mapping.LookupTable, texts ...string) {
	values := make([]cdc.Value, len(texts))
	for i, text := range texts {
		values[i] = value(text)
	}
	var key []cdc.Value
	for _, i := range t.Def.Key {
		key = append(key, cdc.Text(lookup.Key(t.Def.Columns[i].Type, texts[i])))
	}
	t.Rows.Put(lookup.JoinKey(key...), values)
}

// shop is a vocabulary with tables like an ERP's.
func shop() *mapping.Vocabulary {
	return &mapping.Vocabulary{
		Lookups: []mapping.Lookup{
			{Name: "product", Table: tableNamed("product")},
			{Name: "template", Table: tableNamed("template"), Missing: mapping.MissingRejects},
			{Name: "location", Table: tableNamed("location"), Tree: mapping.Tree{Parent: []string{"parent_id"}}},
			{Name: "by_path", Table: tableNamed("location"), Tree: mapping.Tree{Path: "parent_path"}},
			{Name: "nested", Table: tableNamed("location"), Tree: mapping.Tree{Left: "lft", Right: "rgt"}},
			{Name: "unit", Table: tableNamed("unit"), Missing: mapping.MissingIsNull},
			{Name: "pair", Table: tableNamed("pair"), Tree: mapping.Tree{Parent: []string{"up_a", "up_b"}}},
			{Name: "same_pair", Table: tableNamed("pair"), Key: []string{"a", "b"}, Missing: mapping.MissingIsNull},
			{Name: "turned", Table: tableNamed("pair"), Key: []string{"b", "a"}},
			{Name: "named", Table: tableNamed("pair"), Key: []string{"name"}},
			{Name: "above", Table: tableNamed("pair"), Key: []string{"up_a", "up_b", "on"}},
			{Name: "by_float", Table: tableNamed("pair"), Key: []string{"weight"}},
			{Name: "flat", Table: tableNamed("pair"), Tree: mapping.Tree{Path: "name"}},
			{Name: "half_up", Table: tableNamed("pair"), Tree: mapping.Tree{Parent: []string{"up_a"}}},
			{Name: "few", Table: tableNamed("product"), Columns: []string{"code"}},
		},
		Maps: []mapping.Map{
			{Name: "zone", Entries: []mapping.MapEntry{{Key: "A", Text: "DC1"}, {Key: "B", Text: "DC2"}}},
			{Name: "factor", Entries: []mapping.MapEntry{{Key: "BOX", Text: "12"}, {Key: "EA", Text: "1"}, {Key: "42", Text: "-0.5"}}},
		},
		Constants: []mapping.Constant{{Name: "company", Text: "42"}, {Name: "site", Text: "DC1"}, {Name: "code", Text: "007", Quoted: true}, {Name: "on", Text: "true"}},
		Partno:    mapping.PartnoRules{Brands: []mapping.PartnoBrand{{Brand: "Bosch", Strip: " "}}},
	}
}

// tables are the tables of shop.
func tables() *mapping.Lookups {
	return mapping.NewLookups(
		referenceTable("product", []cdc.Column{
			{Name: "id", Type: cdc.TypeInteger},
			{Name: "code", Type: cdc.TypeText},
			{Name: "template_id", Type: cdc.TypeInteger},
			{Name: "weight", Type: cdc.TypeDecimal},
			{Name: "active", Type: cdc.TypeBool},
			{Name: "odd name", Type: cdc.TypeText},
			{Name: "float", Type: cdc.TypeFloat},
		},
			[]string{"42", "BRK-1", "7", "1.50", "t", "odd", "2.5e0"}, []string{"43", "NULL", "8", "NULL", "f", "NULL", "NULL"},
			[]string{"44", "C", "NULL", "x", "maybe", "", "1"}),
		referenceTable("template", []cdc.Column{{Name: "id", Type: cdc.TypeDecimal}, {Name: "brand", Type: cdc.TypeText}, {Name: "unit_id", Type: cdc.TypeText}},
			[]string{"7", "ATE", "EA"}),
		referenceTable("location", []cdc.Column{
			{Name: "id", Type: cdc.TypeInteger},
			{Name: "name", Type: cdc.TypeText},
			{Name: "usage", Type: cdc.TypeText},
			{Name: "parent_id", Type: cdc.TypeInteger},
			{Name: "parent_path", Type: cdc.TypeText},
			{Name: "lft", Type: cdc.TypeInteger},
			{Name: "rgt", Type: cdc.TypeInteger},
			{Name: "template_id", Type: cdc.TypeInteger},
		},
			[]string{"1", "WH", "view", "NULL", "1/", "1", "8", "7"},
			[]string{"2", "Stock", "internal", "1", "1/2/", "2", "5", "NULL"},
			[]string{"42", "Shelf", "internal", "2", "1/2/42/", "3", "4", "NULL"},
			[]string{"9", "Scrap", "inventory", "1", "1/9/", "6", "7", "9"},
			[]string{"50", "Lost", "internal", "51", "51/50/", "20", "21", "NULL"},
			[]string{"60", "Round", "internal", "61", "60/", "30", "31", "NULL"}, []string{"61", "Round", "internal", "60", "61/", "32", "33", "NULL"}),
		referenceTable("unit", []cdc.Column{{Name: "id", Type: cdc.TypeText}, {Name: "factor", Type: cdc.TypeDecimal}}, []string{"EA", "3.000"}),
		pairs(),
	)
}

// pairs is a reference table whose key has two columns.
func pairs() *mapping.LookupTable {
	return referenceTableOf(tableNamed("pair"), []int{0, 1}, []cdc.Column{
		{Name: "a", Type: cdc.TypeInteger},
		{Name: "b", Type: cdc.TypeText},
		{Name: "name", Type: cdc.TypeText},
		{Name: "up_a", Type: cdc.TypeInteger},
		{Name: "up_b", Type: cdc.TypeText},
		{Name: "on", Type: cdc.TypeBool},
		{Name: "product_id", Type: cdc.TypeInteger},
		{Name: "weight", Type: cdc.TypeFloat},
	},
		[]string{"42", "BOX", "Box of 42", "42", "ROOT", "t", "43", "1"},
		[]string{"42", "ROOT", "Root", "NULL", "NULL", "NULL", "42", "1"},
		[]string{"42", `x","y`, "Odd", "42", "LOST", "f", "42", "1"},
		[]string{"43", "BOX", "Box of 43", "43", "BOX", "f", "42", "1"})
}

// quant is the row that the tests of lookups look at.
func quant() []cell {
	return []cell{
		{"id", cdc.TypeInteger, cdc.Text("1")},
		{"product_id", cdc.TypeInteger, cdc.Text("42")},
		{"other_id", cdc.TypeInteger, cdc.Text("43")},
		{"odd_id", cdc.TypeInteger, cdc.Text("44")},
		{"decimal_id", cdc.TypeDecimal, cdc.Text("42.00")},
		{"no_id", cdc.TypeInteger, cdc.Null},
		{"gone_id", cdc.TypeInteger, cdc.Text("99")},
		{"text_id", cdc.TypeText, cdc.Text("42")},
		{"float_id", cdc.TypeFloat, cdc.Text("42")},
		{"unit", cdc.TypeText, cdc.Text("BOX")},
		{"odd_unit", cdc.TypeText, cdc.Text(`x","y`)},
		{"root", cdc.TypeText, cdc.Text("ROOT")},
		{"no_unit", cdc.TypeText, cdc.Null},
		{"odd col", cdc.TypeInteger, cdc.Text("42")},
		{"location_id", cdc.TypeInteger, cdc.Text("42")},
		{"scrap_id", cdc.TypeInteger, cdc.Text("9")},
		{"lost_id", cdc.TypeInteger, cdc.Text("50")},
		{"round_id", cdc.TypeInteger, cdc.Text("60")},
		{"qty", cdc.TypeDecimal, cdc.Text("12.500")},
	}
}

// compileIn compiles rules of table stock with a vocabulary.
func compileIn(t testing.TB, v *mapping.Vocabulary, rules ...mapping.Rule) (*mapping.Mapping, error) {
	t.Helper()
	if errs := v.Check("shop.yaml"); len(errs) > 0 {
		t.Fatal(errs)
	}
	return mapping.Compile(tableNamed("stock"), mapping.Spec{File: "shop.yaml", Contributes: rules, Vocabulary: v})
}

// mapIn maps the row of cells by rules that may look into the shop's tables.
func mapIn(t testing.TB, l *mapping.Lookups, cells []cell, rules ...mapping.Rule) ([]inventory.Contribution, *inventory.Problem) {
	t.Helper()
	m, err := compileIn(t, shop(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	table, row := tableOf(cells)
	p, err := m.Bind(table, l)
	if err != nil {
		t.Fatal(err)
	}
	return p.Map(row, nil)
}
