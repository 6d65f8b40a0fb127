package backfill_test

import (
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// BenchmarkRecord records commits of 100 rows.
func BenchmarkRecord(b *testing.B) {
	const rows = 100
	bins := make([]int, rows)
	for i := range bins {
		bins[i] = i
	}
	changes, t := wrote(stock, bins...), tx(0)
	for name, windows := range map[string][]cdc.TableName{
		"no window": nil, "other table": {toys.Name}, "one window": {stock.Name}, "three windows": {stock.Name, stock.Name, stock.Name},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := backfill.NewRecorder(1 << 16)
			for _, table := range windows {
				r.Open(table)
			}
			for b.Loop() {
				r.Record(t, changes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

// BenchmarkMerge merges chunks of 10,000 rows, of which the stream touched a hundredth.
func BenchmarkMerge(b *testing.B) {
	const rows = 10_000
	bins := make([]int, rows)
	var some []int
	for i := range bins {
		bins[i] = i
		if i%100 == 0 {
			some = append(some, i)
		}
	}
	whole := chunkOf(0, bins...)
	for _, prepared := range []bool{true, false} {
		name := "not prepared"
		if prepared {
			name = "prepared"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := backfill.NewRecorder(1 << 16)
			w := r.Open(stock.Name)
			r.Record(tx(0), wrote(stock, some...))
			for b.Loop() {
				c := whole
				if !prepared {
					c = &backfill.Chunk{Table: whole.Table, Rows: whole.Rows, View: whole.View}
				} else if err := c.Prepare(); err != nil {
					b.Fatal(err)
				}
				placed, err := w.Merge(&backfill.Request{}, c)
				if err != nil || len(placed) != rows-len(some) {
					b.Fatal(len(placed), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
