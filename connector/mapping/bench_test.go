package mapping_test

import (
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// binStock is the first example of docs/mapping.md, and a row of it.
func binStock(tb testing.TB) (*mapping.Program, cdc.Row) {
	tb.Helper()
	r := mapping.Rule{SKU: written("sku"), Location: written("warehouse")}
	r.Quantities[inventory.OnHand] = written("qty")
	r.Quantities[inventory.Unavailable] = written("bin_type == 'QC' ? qty : 0")
	return bound(tb, []cell{
		{"id", cdc.TypeInteger, cdc.Text("42")},
		textCell("sku", "BRK-1234"), textCell("warehouse", "DC1"), textCell("bin_type", "QC"),
		{"qty", cdc.TypeDecimal, cdc.Text("12.500")},
	}, r)
}

// orderLine is a rule that calculates and looks into lists.
func orderLine(tb testing.TB) (*mapping.Program, cdc.Row) {
	tb.Helper()
	r := mapping.Rule{SKU: written("part_no"), Location: written("site"), When: written("status in ['open', 'picking'] and customer != null")}
	r.Quantities[inventory.Committed] = written("max(0, round(qty * 1.5, 2) - (qty_shipped ?? 0))")
	return bound(tb, []cell{
		textCell("status", "picking"), textCell("customer", "C-7"), textCell("part_no", "0986494104"), textCell("site", "SHOP-04"),
		{"qty", cdc.TypeInteger, cdc.Text("4")},
		{"qty_shipped", cdc.TypeInteger, cdc.Null},
	}, r)
}

// quantOf looks two tables up, one of them from the other, and calculates three
// expressions; partNumber makes a text besides.
func quantOf(tb testing.TB) (*mapping.Program, cdc.Row) {
	tb.Helper()
	r := mapping.Rule{
		When: written("location[location_id].usage == 'internal' and within(location[location_id], name == 'Stock')"),
		SKU:  written("product[product_id].code"), Location: written("nearest(location[location_id], usage == 'view').name"),
	}
	r.Quantities[inventory.OnHand] = written("qty * factor[unit]")
	r.Quantities[inventory.Committed] = written("template[product[product_id].template_id].brand == 'ATE' ? max(0, qty - 2) : 0")
	return boundIn(tb, r)
}

func partNumber(tb testing.TB) (*mapping.Program, cdc.Row) {
	tb.Helper()
	r := rule("qty")
	r.SKU = written("partno(template[product[product_id].template_id].brand, product[product_id].code)")
	return boundIn(tb, r)
}

func boundIn(tb testing.TB, r mapping.Rule) (*mapping.Program, cdc.Row) {
	tb.Helper()
	m, err := compileIn(tb, shop(), r)
	if err != nil {
		tb.Fatal(err)
	}
	table, row := tableOf(quant())
	p, err := m.Bind(table, tables())
	if err != nil {
		tb.Fatal(err)
	}
	return p, row
}

// pairOf looks rows up by two columns, and asks whether there are others.
func pairOf(tb testing.TB) (*mapping.Program, cdc.Row) {
	tb.Helper()
	r := mapping.Rule{
		When: written("not exists(above[product_id, unit, true]) and exists(product[product_id])"),
		SKU:  written("pair[decimal_id, unit].name"), Location: written("nearest(pair[const.company, unit], up_a == null).name"),
	}
	r.Quantities[inventory.OnHand] = written("qty")
	return boundIn(tb, r)
}

var benchmarked = map[string]func(testing.TB) (*mapping.Program, cdc.Row){
	"bin_stock": binStock, "order_line": orderLine, "two_hops": quantOf, "pairs": pairOf,
}

// A part number that must be changed costs what it is made of: once for the number
// and once for brand and number.
func TestPartnoAllocates(t *testing.T) { // not parallel: it counts what the process allocates
	p, row := partNumber(t)
	out := make([]inventory.Contribution, 0, 4)
	allocations := testing.AllocsPerRun(100, func() {
		if mapped, problem := p.Map(row, out); len(mapped) != 1 || problem != nil {
			t.Fatalf("%d contributions, problem %+v", len(mapped), problem)
		}
	})
	if allocations > 2 {
		t.Errorf("%v allocations for each row, want 2 at most", allocations)
	}
}

func bound(tb testing.TB, cells []cell, rules ...mapping.Rule) (*mapping.Program, cdc.Row) {
	tb.Helper()
	table, row := tableOf(cells)
	p, err := compile(tb, rules...).Bind(table, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return p, row
}

// A row that is mapped leaves nothing for the garbage collector.
func TestMapDoesNotAllocate(t *testing.T) { // not parallel: it counts what the process allocates
	for name, subject := range benchmarked {
		p, row := subject(t)
		out := make([]inventory.Contribution, 0, 4)
		allocations := testing.AllocsPerRun(100, func() {
			mapped, problem := p.Map(row, out)
			if len(mapped) != 1 || problem != nil {
				t.Fatalf("%s: %d contributions, problem %+v", name, len(mapped), problem)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations for each row, want none", name, allocations)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	b.Run("partno", func(b *testing.B) {
		p, row := partNumber(b)
		out := make([]inventory.Contribution, 0, 4)
		b.ReportAllocs()
		for b.Loop() {
			p.Map(row, out)
		}
	})
	for name, subject := range benchmarked {
		b.Run(name, func(b *testing.B) {
			p, row := subject(b)
			out := make([]inventory.Contribution, 0, 4)
			b.ReportAllocs()
			for b.Loop() {
				p.Map(row, out)
			}
		})
	}
}

// BenchmarkCompile is what a start costs for each table, and a changed table for each version.
func BenchmarkCompile(b *testing.B) {
	table, _ := tableOf(sample())
	b.ReportAllocs()
	for b.Loop() {
		m, err := mapping.Compile(table.Name, mapping.Spec{Contributes: transfer()})
		if err != nil {
			b.Fatal(err)
		}
		_ = m.ID()
	}
}
