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

func bound(tb testing.TB, cells []cell, rules ...mapping.Rule) (*mapping.Program, cdc.Row) {
	tb.Helper()
	table, row := tableOf(cells)
	p, err := compile(tb, rules...).Bind(table)
	if err != nil {
		tb.Fatal(err)
	}
	return p, row
}

// A row that is mapped leaves nothing for the garbage collector.
func TestMapDoesNotAllocate(t *testing.T) { // not parallel: it counts what the process allocates
	for name, subject := range map[string]func(testing.TB) (*mapping.Program, cdc.Row){"bin_stock": binStock, "order_line": orderLine} {
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
	for name, subject := range map[string]func(testing.TB) (*mapping.Program, cdc.Row){"bin_stock": binStock, "order_line": orderLine} {
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
