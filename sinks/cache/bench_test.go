package cache_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/cache"
)

// benchSKUs is how many SKUs the benchmark updates, each at four locations.
const benchSKUs = 25_000

// BenchmarkApply updates random cells of 100,000, in batches of so many. It prints
// levels per second. The server, on the same machine, keeps nothing on disk.
func BenchmarkApply(b *testing.B) {
	c := open(b, cache.Config{URL: testenv.Redis(b).URL()})
	var at connector.CachePlace
	step := func(b *testing.B, levels []inventory.LevelMessage) {
		b.Helper()
		to := place(at.Sequence + uint64(len(levels)))
		for i := range levels {
			levels[i].Version.Sequence = at.Sequence + uint64(i) + 1
		}
		if err := c.Apply(b.Context(), at, to, levels); err != nil {
			b.Fatal(err)
		}
		at = to
	}
	cell := func(i int) inventory.LevelMessage {
		return level(fmt.Sprintf("BRK-%06d", i/4), fmt.Sprintf("DC%d", i%4), 0, inventory.Quantity(rand.IntN(1_000))*inventory.One)
	}
	for first := 0; first < 4*benchSKUs; first += 1_000 {
		levels := make([]inventory.LevelMessage, 1_000)
		for i := range levels {
			levels[i] = cell(first + i)
		}
		step(b, levels)
	}
	for _, size := range []int{1, 10, 100, 1_000} {
		b.Run(fmt.Sprintf("levels-%d", size), func(b *testing.B) {
			levels := make([]inventory.LevelMessage, size)
			for b.Loop() {
				for i := range levels {
					levels[i] = cell(rand.IntN(4 * benchSKUs))
				}
				step(b, levels)
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "levels/s")
		})
	}
	b.Run("replay-end", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := c.BeginReplay(b.Context(), at, replaying(0, 1)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if err := c.EndReplay(b.Context(), replaying(0, 1), place(1)); err != nil {
				b.Fatal(err)
			}
			at = place(1)
		}
		b.ReportMetric(float64(b.N*benchSKUs)/b.Elapsed().Seconds(), "SKUs/s")
	})
}
