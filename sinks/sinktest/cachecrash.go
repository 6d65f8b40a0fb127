package sinktest

import (
	"fmt"
	"testing"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// testCacheCrash crashes the server while levels are applied, again and again.
// Afterwards the cache is exactly at one of the places, at or behind which nothing
// that was acknowledged is missing; or it is empty and says so.
func testCacheCrash(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	steps := make(map[connector.CachePlace]cacheStep) // by where they lead
	place := connector.CachePlace{}
	var sequence uint64
	for round := range 4 {
		c := s.Open(t)
		crashed := make(chan bool, 1)
		acknowledged := place
		for n := 0; ; n++ {
			step := cacheStep{kind: stepApply, from: acknowledged}
			for i := range 200 {
				sequence++
				sku := inventory.SKU(fmt.Sprintf("S%d", (n+i)%50))
				step.levels = append(step.levels,
					levelOf(sku, inventory.LocationID(fmt.Sprintf("L%d", i%3)), sequence, inventory.Quantity(sequence)*half))
			}
			step.to = at(sequence)
			steps[step.to] = step
			if n == 15 {
				go func() { crashed <- s.Crash(t) }()
			}
			if err := step.call(t, c); err != nil {
				if n < 15 {
					t.Fatalf("before the crash: %v", err)
				}
				break
			}
			acknowledged = step.to
		}
		kept := <-crashed
		_ = c.Close() // its connections are gone

		c = openCache(t, s)
		held, err := c.Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case kept && held.Sequence < acknowledged.Sequence:
			t.Fatalf("round %d: the cache is at %d, it had acknowledged %d", round, held.Sequence, acknowledged.Sequence)
		case !kept && held != connector.CachePlace{}:
			t.Fatalf("round %d: the cache is at %+v, and has lost everything", round, held)
		}
		compareWithHistory(t, s, steps, held)
		place = held
	}
}

// compareWithHistory compares the cache with the steps that lead to a place.
func compareWithHistory(t *testing.T, s CacheServer, steps map[connector.CachePlace]cacheStep, held connector.CachePlace) {
	t.Helper()
	var path []cacheStep
	for at := held; at != (connector.CachePlace{}); at = path[len(path)-1].from {
		step, ok := steps[at]
		if !ok {
			t.Fatalf("the cache is at %+v, where nobody moved it", at)
		}
		path = append(path, step)
	}
	model := newCacheModel()
	for i := len(path) - 1; i >= 0; i-- {
		path[i].model(model)
	}
	for i := range 50 {
		compareCached(t, s, inventory.SKU(fmt.Sprintf("S%d", i)), model.cached(inventory.SKU(fmt.Sprintf("S%d", i))))
	}
}
