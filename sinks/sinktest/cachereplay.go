package sinktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// testCacheReplayOverwrites: a replay overwrites also what is newer, keeps what it
// does not see for as long as it runs, and drops its numbers at the end.
func testCacheReplayOverwrites(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	applyLevels(t, c, connector.CachePlace{}, at(9), levelOf("A", "L", 8, 8*one), levelOf("A", "M", 9, -one),
		levelOf("B", "L", 9, one), levelOf("C", "L", 9, one))
	s.Watch(t)
	if err := c.BeginReplay(t.Context(), at(9), replayAt(0, 5)); err != nil {
		t.Fatal(err)
	}
	wantPlace(t, c, replayAt(0, 5))
	applyLevels(t, c, replayAt(0, 5), replayAt(3, 5), levelOf("A", "L", 2, 2*one), levelOf("C", "L", 3, one))
	wantCached(t, s, "A", "1", "2", numbers{"L": "2", "M": "-1"})
	wantCached(t, s, "B", "1", "1", numbers{"L": "1"})
	applyLevels(t, c, replayAt(3, 5), replayAt(5, 5), levelOf("A", "N", 4, half), goneLevel("D", "L", 5))
	s.Announced(t)
	if err := c.EndReplay(t.Context(), replayAt(5, 5), at(5)); err != nil {
		t.Fatal(err)
	}
	wantPlace(t, c, at(5))
	wantCached(t, s, "A", "2.5", "2.5", numbers{"L": "2", "N": "0.5"})
	wantCached(t, s, "B", "", "", nil)
	wantCached(t, s, "C", "1", "1", numbers{"L": "1"})
	if a := s.Announced(t); len(a) != 2 || !a["A"] || !a["B"] {
		t.Errorf("announced as dropped %v, want A and B", a)
	}
	// From here on versions count again: those that the replay wrote, and those of
	// what it dropped.
	applyLevels(t, c, at(5), at(5), levelOf("A", "L", 2, one), levelOf("B", "L", 9, one))
	wantCached(t, s, "A", "2.5", "2.5", numbers{"L": "2", "N": "0.5"})
	wantCached(t, s, "B", "", "", nil)
	applyLevels(t, c, at(5), at(10), levelOf("A", "L", 6, one), levelOf("B", "L", 10, one))
	wantCached(t, s, "A", "1.5", "1.5", numbers{"L": "1", "N": "0.5"})
	wantCached(t, s, "B", "1", "1", numbers{"L": "1"})
}

// testCacheReplayInterrupted interrupts a replay after every step, and lets another
// worker begin again from what the cache says; some cells have gone from the stream
// meanwhile, as a message does when another supersedes it.
func testCacheReplayInterrupted(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	for after := range 7 {
		s.Empty(t)
		first, second := openCache(t, s), openCache(t, s)
		applyLevels(t, first, connector.CachePlace{}, at(1), levelOf("S0", "L", 1, 9*one), levelOf("foreign", "L", 1, one))
		stream := newLevelStream("stream", 8)
		for i := range 10 {
			stream.publish(levelOf(inventory.SKU(fmt.Sprintf("S%d", i)), "L", 0, inventory.Quantity(i)*one))
		}
		steps := stream.replaySteps(at(1), 3)
		for _, step := range steps[:min(after, len(steps))] {
			if err := step.call(t, first); err != nil {
				t.Fatal(err)
			}
		}
		stream.publish(levelOf("S0", "L", 0, 7*one))
		stream.publish(goneLevel("S1", "L", 0))
		place, err := second.Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		model := newCacheModel()
		model.set(inventory.Cell{SKU: "foreign", Location: "L"}, modelCached{number: true, available: one})
		for _, step := range stream.replaySteps(place, 4) {
			if err := step.call(t, second); err != nil {
				t.Fatalf("interrupted after %d steps: %v", after, err)
			}
			step.model(model)
		}
		wantPlace(t, first, model.place)
		model.compare(t, s, []inventory.SKU{"foreign", "S0", "S1", "S2", "S3", "S8", "S9"})
	}
}

// testCacheReplayEndInterrupted gives the end of a replay too little time, and then
// more and more. Whatever it has dropped stays dropped, what was seen stays, and the
// replays that begin again drop the rest.
func testCacheReplayEndInterrupted(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	const skus = 20_000
	var levels []inventory.LevelMessage
	for i := range skus {
		levels = append(levels, levelOf(inventory.SKU(fmt.Sprintf("S%d", i)), "L", 1, one))
	}
	seen := levelOf("seen", "L", 1, one)
	applyLevels(t, c, connector.CachePlace{}, at(1), levels...)
	from, dropped, partly := at(1), 0, false
	for limit := time.Millisecond; ; limit *= 2 {
		for _, step := range []cacheStep{
			{kind: stepBegin, from: from, to: replayAt(0, 1)},
			{kind: stepApply, from: replayAt(0, 1), to: replayAt(1, 1), levels: []inventory.LevelMessage{seen}},
		} {
			if err := step.call(t, c); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := c.EndReplay(ctx, replayAt(1, 1), at(1))
		cancel()
		wantCached(t, s, "seen", "1", "1", numbers{"L": "1"})
		if err == nil {
			break
		}
		if place, err := c.Place(t.Context()); err == nil && place == at(1) {
			break // it was done, and only the answer did not come in time
		}
		wantPlace(t, c, replayAt(1, 1))
		left := 0
		for i := range skus / 100 {
			if s.Read(t, inventory.SKU(fmt.Sprintf("S%d", 100*i))).Available != "" {
				left++
			}
		}
		dropped = max(dropped, skus/100-left)
		partly = partly || left > 0 && dropped > 0
		from = replayAt(1, 1)
	}
	if !partly {
		t.Error("the end of the replay was never interrupted halfway")
	}
	wantPlace(t, c, at(1))
	for i := range skus {
		if got := s.Read(t, inventory.SKU(fmt.Sprintf("S%d", i))); got.Available != "" {
			t.Fatalf("S%d is still there: %+v", i, got)
		}
	}
}

// testCacheReplayLive: while a replay runs, a storefront never sees a product
// without its numbers.
func testCacheReplayLive(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	stream := newLevelStream("stream", 7)
	for i := range 500 {
		stream.publish(levelOf(inventory.SKU(fmt.Sprintf("S%d", i%100)), inventory.LocationID(fmt.Sprintf("L%d", i/100)), 0, one))
	}
	run := func(place connector.CachePlace) {
		for _, step := range stream.replaySteps(place, 50) {
			if err := step.call(t, c); err != nil {
				t.Error(err)
				return
			}
		}
	}
	run(connector.CachePlace{})
	var wg sync.WaitGroup
	finished := make(chan struct{})
	wg.Go(func() {
		defer close(finished)
		for range 5 {
			run(stream.tail())
		}
	})
	want := Cached{"5", "5", numbers{"L0": "1", "L1": "1", "L2": "1", "L3": "1", "L4": "1"}}
	for i, running := 0, true; running && !t.Failed(); i++ {
		select {
		case <-finished:
			running = false
		default:
			compareCached(t, s, inventory.SKU(fmt.Sprintf("S%d", i%100)), want)
		}
	}
	wg.Wait()
}

// testCacheEmptied: a worker whose cache was emptied is fenced, and what it does
// then fills the cache again.
func testCacheEmptied(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c := openCache(t, s)
	stream := newLevelStream("stream", 7)
	stream.publish(levelOf("A", "L", 0, one))
	stream.publish(levelOf("B", "L", 0, 2*one))
	for _, step := range stream.replaySteps(connector.CachePlace{}, 10) {
		if err := step.call(t, c); err != nil {
			t.Fatal(err)
		}
	}
	held := stream.tail()
	for _, step := range []cacheStep{
		{kind: stepApply, from: held, to: at(9), levels: []inventory.LevelMessage{levelOf("A", "L", 9, 9*one)}},
		{kind: stepApply, from: replayAt(1, 2), to: replayAt(2, 2), levels: []inventory.LevelMessage{levelOf("A", "L", 9, 9*one)}},
		{kind: stepBegin, from: held, to: replayAt(0, 2)},
		{kind: stepEnd, from: replayAt(2, 2), to: held},
	} {
		s.Empty(t)
		wantFenced(t, fmt.Sprintf("step %d in an emptied cache", step.kind), step.call(t, c))
		wantPlace(t, c, connector.CachePlace{})
		wantCached(t, s, "A", "", "", nil)
	}
	for _, step := range stream.replaySteps(connector.CachePlace{}, 1) {
		if err := step.call(t, c); err != nil {
			t.Fatal(err)
		}
	}
	wantPlace(t, c, held)
	wantCached(t, s, "A", "1", "1", numbers{"L": "1"})
	wantCached(t, s, "B", "2", "2", numbers{"L": "2"})
}

// testCacheRebuild: Rebuild fences the worker in whatever it is about, keeps the
// numbers, and may be repeated.
func testCacheRebuild(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	c, operator := openCache(t, s), openCache(t, s)
	stream := newLevelStream("stream", 7)
	for i := range 6 {
		stream.publish(levelOf(inventory.SKU(fmt.Sprintf("S%d", i)), "L", 0, one))
	}
	for _, after := range []int{5, 0, 1, 2, 3, 4} { // 5 is after the last
		place, err := c.Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		steps := stream.replaySteps(place, 2) // begin, three batches, end
		for i, step := range steps {
			if i == after {
				for range 2 {
					if err := operator.Rebuild(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			err := step.call(t, c)
			if i < after && err != nil {
				t.Fatal(err)
			}
			if i == after {
				wantFenced(t, fmt.Sprintf("step %d after a rebuild", i), err)
				break
			}
		}
		wantCached(t, s, "S0", "1", "1", numbers{"L": "1"})
	}
}

// testCacheTwoWorkers: two workers carry the same growing stream into one cache, and
// replay it now and then. They fence each other, and the cache ends as the stream.
func testCacheTwoWorkers(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	var mu sync.Mutex
	stream := newLevelStream("stream", 7)
	grow := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		for range n {
			i := int(stream.sequence)
			stream.publish(levelOf(inventory.SKU(fmt.Sprintf("S%d", i*7%40)), inventory.LocationID(fmt.Sprintf("L%d", i%3)), 0,
				inventory.Quantity(i)*half))
		}
	}
	grow(100)
	work := func(c LevelCache, replayEvery int) error {
		for round := 1; ; round++ {
			place, err := c.Place(t.Context())
			if err != nil {
				return err
			}
			mu.Lock()
			steps := []cacheStep{}
			levels, tail := stream.after(place.Sequence, 5), stream.tail()
			if place.Replay != 0 || place.Stream != tail.Stream || round%replayEvery == 0 {
				steps = stream.replaySteps(place, 20)
			} else if len(levels) > 0 {
				to := place
				to.Sequence = levels[len(levels)-1].Version.Sequence
				steps = []cacheStep{{kind: stepApply, from: place, to: to, levels: levels}}
			}
			mu.Unlock()
			if len(steps) == 0 && tail.Sequence >= 1_000 {
				return nil
			}
			if tail.Sequence < 1_000 {
				grow(10)
			}
			for _, step := range steps {
				err := step.call(t, c)
				if errors.Is(err, connector.ErrFenced) {
					break
				}
				if err != nil {
					return err
				}
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 2 {
		c := openCache(t, s)
		wg.Go(func() {
			if err := work(c, 13+4*i); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatal("the workers do not come to an end")
	}
	model := newCacheModel()
	for _, step := range stream.replaySteps(connector.CachePlace{}, 1_000) {
		step.model(model)
	}
	skus := make([]inventory.SKU, 40)
	for i := range skus {
		skus[i] = inventory.SKU(fmt.Sprintf("S%d", i))
	}
	model.compare(t, s, skus)
}
