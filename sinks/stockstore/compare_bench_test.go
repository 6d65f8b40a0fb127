package stockstore_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/stockstore"
)

// BenchmarkVerify compares batches of 5,000 rows with what the store holds, tells
// the keys of rows, and recomputes levels: rows per second of each.
func BenchmarkVerify(b *testing.B) {
	server := testenv.Postgres(b, testenv.Setting("fsync", "on"))
	if err := server.CreateDatabase(b.Context(), "stock"); err != nil {
		b.Fatal(err)
	}
	for name, cfg := range map[string]stockstore.Config{
		"postgres": {Postgres: server.DSN("stock")}, "sqlite": {SQLite: filepath.Join(b.TempDir(), "stock.db")},
	} {
		b.Run(name, func(b *testing.B) { benchmarkVerify(b, cfg) })
	}
}

func benchmarkVerify(b *testing.B, cfg stockstore.Config) {
	s, err := stockstore.Open(b.Context(), cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	log := newComparedLog(b, s)
	const batch = 5_000
	events := make([]inventory.Event, benchRows)
	for i := range events {
		events[i] = comparedEvent(cdc.OpRead, i, fmt.Sprintf("BRK-%06d", i), i%1_000)
	}
	for first := 0; first < benchRows; first += batch {
		log.commit("", events[first:first+batch]...)
	}
	rate := func(b *testing.B, rows int) {
		b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("compare", func(b *testing.B) {
		n := 0
		for b.Loop() {
			first := n * batch % benchRows
			n++
			applied := log.apply(inventory.Message{Commits: []inventory.Commit{{
				Transaction: "1", CommittedAt: time.Now(), Events: events[first : first+batch], Last: true, Compare: "v1",
			}}})
			if applied.Compared[0].Equal != batch {
				b.Fatalf("compared %+v", applied.Compared)
			}
		}
		rate(b, batch)
	})
	b.Run("keys", func(b *testing.B) {
		for b.Loop() {
			r := connector.KeysRequest{Verification: "v0", Source: "wms", Feed: comparedFeed}
			for page := (connector.KeysPage{}); !page.Done; r.After = page.Last {
				if page, err = s.RowKeys(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, benchRows)
	})
	b.Run("levels", func(b *testing.B) {
		for b.Loop() {
			got, err := s.CheckLevels(b.Context(), "wms", false, func(stockstore.CellDrift) error { return nil })
			if err != nil || got != (stockstore.CheckedLevels{Cells: benchRows}) {
				b.Fatalf("%+v, %v", got, err)
			}
		}
		rate(b, benchRows)
	})
}
