package cache_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/cache"
)

// open returns a cache that is closed when the test ends.
func open(tb testing.TB, cfg cache.Config) *cache.Cache {
	tb.Helper()
	c, err := cache.New(cfg, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// place is a point of session 7 of the stream "levels".
func place(sequence uint64) connector.CachePlace {
	return connector.CachePlace{Place: connector.Place{Stream: "levels", Session: 7, Sequence: sequence}}
}

// replaying is place in a replay up to upTo.
func replaying(sequence, upTo uint64) connector.CachePlace {
	p := place(sequence)
	p.Replay = upTo
	return p
}

// level is a level of session 7 with so many on hand, in millionths.
func level(sku, location string, sequence uint64, onHand inventory.Quantity) inventory.LevelMessage {
	var l inventory.LevelMessage
	l.SKU, l.Location = inventory.SKU(sku), inventory.LocationID(location)
	l.Version = inventory.Version{Session: 7, Sequence: sequence}
	l.Quantities[inventory.OnHand] = onHand
	return l
}

// gone is a level without contributions.
func gone(sku, location string, sequence uint64) inventory.LevelMessage {
	l := level(sku, location, sequence, 0)
	l.Gone = true
	return l
}

func apply(tb testing.TB, c *cache.Cache, from, to connector.CachePlace, levels ...inventory.LevelMessage) {
	tb.Helper()
	if err := c.Apply(tb.Context(), from, to, levels); err != nil {
		tb.Fatal(err)
	}
}

// stock returns what the cache holds of sku in one line.
func stock(tb testing.TB, c *cache.Cache, sku string) string {
	tb.Helper()
	s, err := c.Stock(tb.Context(), inventory.SKU(sku))
	if err != nil {
		tb.Fatal(err)
	}
	locations := make(map[inventory.LocationID]string)
	for l, v := range s.Locations {
		locations[l] = fmt.Sprintf("%s@%d.%d", v.Available, v.Version.Session, v.Version.Sequence)
	}
	return fmt.Sprintf("%s/%s %v", s.Available, s.Sellable, locations)
}

func TestRebuildMakesTheWorkerBeginAgain(t *testing.T) {
	t.Parallel()
	c := open(t, cache.Config{URL: testenv.Redis(t).URL()})
	apply(t, c, connector.CachePlace{}, place(1), level("A", "L", 1, inventory.One))
	if err := c.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Place(t.Context()); err != nil || p != (connector.CachePlace{}) {
		t.Errorf("after Rebuild the place is %+v, %v, want none", p, err)
	}
	err := c.Apply(t.Context(), place(1), place(2), []inventory.LevelMessage{level("A", "L", 2, 5*inventory.One)})
	if !errors.Is(err, connector.ErrFenced) {
		t.Errorf("the worker goes on: %v", err)
	}
	if got, want := stock(t, c, "A"), "1/1 map[L:1@7.1]"; got != want {
		t.Errorf("readers see %s, want %s", got, want)
	}
	if err := c.Rebuild(t.Context()); err != nil { // may be repeated
		t.Error(err)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	c := open(t, cache.Config{URL: testenv.Redis(t).URL()})
	apply(t, c, connector.CachePlace{}, place(9),
		level("A", "L", 8, inventory.One), level("A", "M", 9, -2_500_000), level("B", "L", 7, inventory.One))
	if diff := cmp.Diff("-1.5/1 map[L:1@7.8 M:-2.5@7.9]", stock(t, c, "A")); diff != "" {
		t.Error(diff)
	}
	if err := c.BeginReplay(t.Context(), place(9), replaying(0, 5)); err != nil {
		t.Fatal(err)
	}
	apply(t, c, replaying(0, 5), replaying(5, 5), level("A", "L", 5, 3*inventory.One)) // older, and overwrites
	if err := c.EndReplay(t.Context(), replaying(5, 5), place(5)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("3/3 map[L:3@7.5 M:@7.9]", stock(t, c, "A")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("/ map[L:@7.7]", stock(t, c, "B")); diff != "" {
		t.Error(diff)
	}
	apply(t, c, place(5), place(6), level("A", "L", 5, 0), gone("A", "L", 6))
	if diff := cmp.Diff("/ map[L:@7.6 M:@7.9]", stock(t, c, "A")); diff != "" {
		t.Error(diff)
	}
}
