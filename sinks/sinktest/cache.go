package sinktest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// LevelCache is a cache as the suite uses it: the port, and what operators ask of
// a cache.
type LevelCache interface {
	connector.Cache
	// Rebuild makes the worker begin again.
	Rebuild(ctx context.Context) error
	Close() error
}

// CacheServer is one server that holds a cache.
type CacheServer interface {
	// Open opens the cache, as another process would: several may be open at once.
	// The test closes it.
	Open(t testing.TB) LevelCache
	// Read reads what a storefront sees of a SKU.
	Read(t testing.TB, sku inventory.SKU) Cached
	// Announced returns the SKUs that were announced as changed since it was called
	// last, or since Watch was.
	Announced(t testing.TB) map[inventory.SKU]bool
	// Watch begins to listen for announcements.
	Watch(t testing.TB)
	// Empty removes everything that the server holds.
	Empty(t testing.TB)
	// Crash stops the server without warning and starts it again. Caches that are
	// open may fail from now on, or go on. It reports whether everything that was
	// acknowledged must be there; otherwise nothing is.
	Crash(t testing.TB) (kept bool)
}

// Cached is what a storefront sees of a SKU.
type Cached struct {
	// Available and Sellable are the totals, exact decimals without trailing zeros;
	// empty if no location has a number.
	Available, Sellable string
	// Locations are the numbers of the locations that have one.
	Locations map[inventory.LocationID]string
}

// Cache runs the conformance suite of caches. create starts a server that is the
// test's alone, and empty.
func Cache(t *testing.T, create func(t testing.TB) CacheServer) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, func(testing.TB) CacheServer){
		"Fence":           testCacheFence,
		"Versions":        testCacheVersions,
		"Gone":            testCacheGone,
		"Names":           testCacheNames,
		"Totals":          testCacheTotals,
		"Announcements":   testCacheAnnouncements,
		"LargeBatch":      testCacheLargeBatch,
		"ReplayOverwrite": testCacheReplayOverwrites,
		"ReplaySteps":     testCacheReplayInterrupted,
		"ReplayEnd":       testCacheReplayEndInterrupted,
		"ReplayLive":      testCacheReplayLive,
		"Emptied":         testCacheEmptied,
		"Rebuild":         testCacheRebuild,
		"TwoWorkers":      testCacheTwoWorkers,
		"CrashWhileApply": testCacheCrash,
		"Random":          testCacheRandom,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, create)
		})
	}
}

// openCache opens the cache of s and closes it when the test ends.
func openCache(t testing.TB, s CacheServer) LevelCache {
	t.Helper()
	c := s.Open(t)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close cache: %v", err)
		}
	})
	return c
}

// at is a place in session 7 of one stream.
func at(sequence uint64) connector.CachePlace {
	return connector.CachePlace{Place: connector.Place{Stream: "stream", Session: 7, Sequence: sequence}}
}

// replayAt is a place in a replay.
func replayAt(sequence, upTo uint64) connector.CachePlace {
	p := at(sequence)
	p.Replay = upTo
	return p
}

// levelOf is a level of session 7 with so many millionths available.
func levelOf(sku inventory.SKU, location inventory.LocationID, sequence uint64, available inventory.Quantity) inventory.LevelMessage {
	var l inventory.LevelMessage
	l.SKU, l.Location = sku, location
	l.Version = inventory.Version{Session: 7, Sequence: sequence}
	l.Quantities[inventory.OnHand] = available
	return l
}

// goneLevel is a level without contributions.
func goneLevel(sku inventory.SKU, location inventory.LocationID, sequence uint64) inventory.LevelMessage {
	l := levelOf(sku, location, sequence, 0)
	l.Gone = true
	return l
}

func applyLevels(t testing.TB, c connector.Cache, from, to connector.CachePlace, levels ...inventory.LevelMessage) {
	t.Helper()
	if err := c.Apply(t.Context(), from, to, levels); err != nil {
		t.Fatal(err)
	}
}

func wantFenced(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, connector.ErrFenced) {
		t.Errorf("%s: got %v, want ErrFenced", what, err)
	}
}

func wantPlace(t testing.TB, c connector.Cache, want connector.CachePlace) {
	t.Helper()
	got, err := c.Place(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("place is %+v, want %+v", got, want)
	}
}

func wantCached(t testing.TB, s CacheServer, sku inventory.SKU, available, sellable string, locations map[inventory.LocationID]string) {
	t.Helper()
	compareCached(t, s, sku, Cached{available, sellable, locations})
}

func compareCached(t testing.TB, s CacheServer, sku inventory.SKU, want Cached) {
	t.Helper()
	got := s.Read(t, sku)
	if len(got.Locations) == 0 {
		got.Locations = nil
	}
	if len(want.Locations) == 0 {
		want.Locations = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SKU %q (-want +got):\n%s", sku, diff)
	}
}
