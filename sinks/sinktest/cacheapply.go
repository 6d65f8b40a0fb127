package sinktest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

const (
	one  = inventory.One
	half = inventory.One / 2
)

type numbers = map[inventory.LocationID]string

// testCacheFence: a call that names another place than the cache holds changes
// nothing, whatever it asks for.
func testCacheFence(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	wantPlace(t, c, connector.CachePlace{})
	applyLevels(t, c, connector.CachePlace{}, at(3), levelOf("A", "L", 2, one), levelOf("B", "L", 3, one))
	s.Watch(t)
	other, session := at(3), at(3)
	other.Stream, session.Session = "other", 6
	for _, from := range []connector.CachePlace{{}, at(2), at(4), replayAt(3, 3), other, session} {
		wantFenced(t, "Apply", c.Apply(t.Context(), from, at(9), []inventory.LevelMessage{levelOf("A", "L", 9, 9*one)}))
		wantFenced(t, "Apply of nothing", c.Apply(t.Context(), from, at(9), nil))
		wantFenced(t, "BeginReplay", c.BeginReplay(t.Context(), from, replayAt(0, 9)))
		wantFenced(t, "EndReplay", c.EndReplay(t.Context(), from, at(9)))
	}
	if a := s.Announced(t); len(a) != 0 {
		t.Errorf("announced %v", a)
	}
	wantPlace(t, c, at(3))
	wantCached(t, s, "A", "1", "1", numbers{"L": "1"})
	wantCached(t, s, "B", "1", "1", numbers{"L": "1"})
	if err := c.Apply(t.Context(), at(3), at(9), nil); err != nil { // an empty batch moves the place
		t.Error(err)
	}
	wantPlace(t, openCache(t, s), at(9)) // so another process sees
}

// testCacheVersions: only what is newer is applied, a session before a sequence.
func testCacheVersions(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	level := func(session, sequence uint64, n inventory.Quantity) inventory.LevelMessage {
		l := levelOf("A", "L", sequence, n*one)
		l.Version.Session = session
		return l
	}
	const most = 1<<53 - 1
	applyLevels(t, c, connector.CachePlace{}, at(9), level(7, 9, 1))
	for _, step := range []struct {
		level inventory.LevelMessage
		want  string
	}{
		{level(7, 9, 2), "1"},
		{level(7, 8, 3), "1"},
		{level(6, 10, 4), "1"},
		{level(7, 10, 5), "5"},
		{level(7, 9, 6), "5"},
		{level(8, 1, 7), "7"},
		{level(7, 11, 8), "7"},
		{level(10, 1, 9), "9"},
		{level(9, 2, 10), "9"},
		{level(most-1, most, 11), "11"},
		{level(most, 1, 12), "12"},
		{level(most-1, most, 13), "12"},
	} {
		applyLevels(t, c, at(9), at(9), step.level)
		wantCached(t, s, "A", step.want, step.want, numbers{"L": step.want})
	}
	// In one batch, and beside another location.
	applyLevels(t, c, at(9), at(10), levelOf("B", "L", 2, one), levelOf("B", "L", 1, 5*one), levelOf("B", "M", 1, 3*one))
	wantCached(t, s, "B", "4", "4", numbers{"L": "1", "M": "3"})
}

// testCacheGone: a cell that is gone has no number, and what was before stays away.
func testCacheGone(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	applyLevels(t, c, connector.CachePlace{}, at(2), levelOf("A", "L", 1, one), levelOf("A", "M", 2, 0))
	wantCached(t, s, "A", "1", "1", numbers{"L": "1", "M": "0"})
	applyLevels(t, c, at(2), at(3), goneLevel("A", "L", 3))
	wantCached(t, s, "A", "0", "0", numbers{"M": "0"})
	applyLevels(t, c, at(3), at(4), goneLevel("A", "M", 4), goneLevel("B", "L", 4))
	wantCached(t, s, "A", "", "", nil)
	wantCached(t, s, "B", "", "", nil)
	applyLevels(t, c, at(4), at(4), levelOf("A", "L", 2, one), levelOf("B", "L", 3, one))
	wantCached(t, s, "A", "", "", nil)
	wantCached(t, s, "B", "", "", nil)
	applyLevels(t, c, at(4), at(8), levelOf("A", "L", 5, one), goneLevel("A", "L", 6), levelOf("A", "L", 7, 2*one),
		levelOf("B", "L", 5, one), goneLevel("B", "L", 8))
	wantCached(t, s, "A", "2", "2", numbers{"L": "2"})
	wantCached(t, s, "B", "", "", nil)
}

// testCacheNames: SKUs and locations are any text, and none is taken for another.
func testCacheNames(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	s.Watch(t)
	names := []string{
		"a", "A", "ab", "a}", "{a}", "}", "{", "}{", "a:b", "available", "version", "available:x", "place", "a b", " a", "*", "a*",
		"?", "[a]", `\`, `"'`, "%s", "%", "Ä", "A\u0308", "日本", "0", "-1", ".", strings.Repeat("x", inventory.MaxName),
		strings.Repeat("x", inventory.MaxName-1),
	}
	var levels []inventory.LevelMessage
	want := make(map[inventory.SKU]bool)
	for i, sku := range names {
		want[inventory.SKU(sku)] = true
		for j, location := range names {
			levels = append(levels, levelOf(inventory.SKU(sku), inventory.LocationID(location), 1, inventory.Quantity(100*i+j)*one))
		}
	}
	check := func() {
		t.Helper()
		for i, sku := range names {
			held := make(map[inventory.LocationID]inventory.Quantity)
			for j, location := range names {
				held[inventory.LocationID(location)] = inventory.Quantity(100*i+j) * one
			}
			compareCached(t, s, inventory.SKU(sku), cachedOf(held))
		}
	}
	applyLevels(t, c, connector.CachePlace{}, at(1), levels...)
	check()
	if diff := cmp.Diff(want, s.Announced(t)); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	// A replay finds them all again.
	for _, step := range []cacheStep{
		{kind: stepBegin, from: at(1), to: replayAt(0, 1)},
		{kind: stepApply, from: replayAt(0, 1), to: replayAt(1, 1), levels: levels},
		{kind: stepEnd, from: replayAt(1, 1), to: at(1)},
	} {
		if err := step.call(t, c); err != nil {
			t.Fatal(err)
		}
	}
	check()
	for _, step := range []cacheStep{
		{kind: stepBegin, from: at(1), to: replayAt(0, 1)},
		{kind: stepEnd, from: replayAt(0, 1), to: at(1)},
	} {
		if err := step.call(t, c); err != nil {
			t.Fatal(err)
		}
	}
	for _, sku := range names {
		wantCached(t, s, inventory.SKU(sku), "", "", nil)
	}
	if diff := cmp.Diff(want, s.Announced(t)); diff != "" {
		t.Errorf("announced as dropped (-want +got):\n%s", diff)
	}
}

// testCacheTotals: totals are exact, in steps and at the ends of what is possible.
func testCacheTotals(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	wide := rapid.OneOf(
		rapid.SampledFrom([]int64{0, 1, -1, 999_999, 1_000_000, -999_999, 1_000_000_000_000, math.MaxInt64, math.MinInt64 + 1}),
		rapid.Int64Range(-5_000_000, 5_000_000), rapid.Int64Range(math.MinInt64+1, math.MaxInt64),
	)
	var sequence uint64
	place := connector.CachePlace{}
	rapid.Check(t, func(rt *rapid.T) {
		t := rapidTB{t, rt}
		sequence++
		sku := inventory.SKU(fmt.Sprintf("S%d", sequence))
		held := make(map[inventory.LocationID]inventory.Quantity)
		for range rapid.IntRange(1, 3).Draw(rt, "batches") {
			var levels []inventory.LevelMessage
			for range rapid.IntRange(1, 8).Draw(rt, "levels") {
				sequence++
				location := inventory.LocationID(fmt.Sprintf("L%d", rapid.IntRange(0, 5).Draw(rt, "location")))
				if rapid.IntRange(0, 5).Draw(rt, "gone") == 0 {
					levels = append(levels, goneLevel(sku, location, sequence))
					delete(held, location)
					continue
				}
				held[location] = inventory.Quantity(wide.Draw(rt, "available"))
				levels = append(levels, levelOf(sku, location, sequence, held[location]))
			}
			applyLevels(t, c, place, at(sequence), levels...)
			place = at(sequence)
			compareCached(t, s, sku, cachedOf(held))
		}
	})
}

// testCacheAnnouncements: a SKU is announced when one of its numbers changes.
func testCacheAnnouncements(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	s.Watch(t)
	place := connector.CachePlace{}
	for i, step := range []struct {
		levels []inventory.LevelMessage
		want   []inventory.SKU
	}{
		{[]inventory.LevelMessage{levelOf("A", "L", 1, one), levelOf("B", "L", 2, 0)}, []inventory.SKU{"A", "B"}},
		{[]inventory.LevelMessage{levelOf("A", "L", 1, 2*one)}, nil},                                             // stale
		{[]inventory.LevelMessage{levelOf("A", "L", 3, one)}, nil},                                               // as it was
		{[]inventory.LevelMessage{levelOf("A", "L", 4, half), levelOf("A", "M", 5, half)}, []inventory.SKU{"A"}}, // in sum as it was
		{[]inventory.LevelMessage{goneLevel("C", "L", 6)}, nil},                                                  // never was there
		{[]inventory.LevelMessage{goneLevel("B", "L", 7)}, []inventory.SKU{"B"}},
		{[]inventory.LevelMessage{goneLevel("B", "L", 8)}, nil},
	} {
		to := at(uint64(10 + i))
		applyLevels(t, c, place, to, step.levels...)
		place = to
		if got := slices.Sorted(maps.Keys(s.Announced(t))); !slices.Equal(got, step.want) {
			t.Errorf("step %d: announced %v, want %v", i, got, step.want)
		}
	}
}

// testCacheLargeBatch: a batch of any size is applied, one SKU may be at very many
// locations, and the place is there only when all of it is.
func testCacheLargeBatch(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	const skus, locations = 2_500, 6_000
	var levels []inventory.LevelMessage
	held := make(map[inventory.LocationID]inventory.Quantity)
	for i := range locations {
		location := inventory.LocationID(fmt.Sprintf("L%d", i))
		held[location] = inventory.Quantity(i-2_000) * half
		levels = append(levels, levelOf("wide", location, 1, held[location]))
		if i < skus {
			levels = append(levels, levelOf(inventory.SKU(fmt.Sprintf("S%d", i)), "L", 1, inventory.Quantity(i)*one))
		}
	}
	applyLevels(t, c, connector.CachePlace{}, at(1), levels...)
	wantPlace(t, c, at(1))
	compareCached(t, s, "wide", cachedOf(held))
	for i := range skus {
		n := fmt.Sprint(i)
		wantCached(t, s, inventory.SKU("S"+n), n, n, numbers{"L": n})
	}
	// The wide SKU makes a batch too long for one step.
	batch := levels[:0:0]
	for i := range 500 {
		batch = append(batch, levelOf(inventory.SKU(fmt.Sprintf("S%d", i)), "L", 2, -one),
			levelOf("wide", inventory.LocationID(fmt.Sprintf("L%d", i)), 2, 0))
		held[inventory.LocationID(fmt.Sprintf("L%d", i))] = 0
	}
	applyLevels(t, c, at(1), at(2), batch...)
	wantPlace(t, c, at(2))
	compareCached(t, s, "wide", cachedOf(held))
	wantCached(t, s, "S499", "-1", "0", numbers{"L": "-1"})
	for _, step := range []cacheStep{
		{kind: stepBegin, from: at(2), to: replayAt(0, 2)},
		{kind: stepEnd, from: replayAt(0, 2), to: at(2)},
	} {
		if err := step.call(t, c); err != nil {
			t.Fatal(err)
		}
	}
	wantCached(t, s, "wide", "", "", nil)
	wantCached(t, s, "S2499", "", "", nil)
}
