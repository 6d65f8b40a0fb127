package sinktest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// testCacheRandom drives a cache with a stream that grows, changes sessions and is
// replaced, interrupts its replays, redelivers, empties and reopens it, and compares
// it with the model after every step.
func testCacheRandom(t *testing.T, create func(testing.TB) CacheServer) {
	s := create(t)
	s.Watch(t)
	rapid.Check(t, func(rt *rapid.T) {
		t := rapidTB{t, rt}
		s.Empty(t)
		s.Announced(t)
		w := &cacheWorld{t: t, s: s, model: newCacheModel(), stream: newLevelStream("first", 7)}
		w.cache = s.Open(t)
		defer func() { _ = w.cache.Close() }()
		w.shown = w.show()
		rt.Repeat(map[string]func(*rapid.T){
			"":           w.check,
			"publish":    w.publish,
			"session":    w.session,
			"new stream": w.newStream,
			"follow":     w.follow,
			"replay":     w.replay,
			"redeliver":  w.redeliver,
			"zombie":     w.zombie,
			"empty":      w.empty,
			"rebuild":    w.rebuild,
			"reopen":     w.reopen,
		})
	})
}

type cacheWorld struct {
	t      testing.TB
	s      CacheServer
	cache  LevelCache
	model  *cacheModel
	stream *levelStream
	older  []inventory.LevelMessage // of streams before
	shown  map[inventory.SKU]Cached
	silent bool // emptying is not announced
}

var (
	worldSKUs      = []inventory.SKU{"A", "B", "ä{}", "A:L"}         //nolint:gochecknoglobals // constant
	worldLocations = []inventory.LocationID{"L", "M:1", "available"} //nolint:gochecknoglobals // constant
)

func (w *cacheWorld) show() map[inventory.SKU]Cached {
	shown := make(map[inventory.SKU]Cached)
	for _, sku := range worldSKUs {
		shown[sku] = w.model.cached(sku)
	}
	return shown
}

// check compares what storefronts see, the place, and what was announced: every SKU
// that looks otherwise than before, and none that was not touched.
func (w *cacheWorld) check(*rapid.T) {
	w.model.compare(w.t, w.s, worldSKUs)
	wantPlace(w.t, w.cache, w.model.place)
	shown, announced := w.show(), w.s.Announced(w.t)
	for _, sku := range worldSKUs {
		differs := fmt.Sprint(shown[sku]) != fmt.Sprint(w.shown[sku])
		if differs && !announced[sku] && !w.silent {
			w.t.Errorf("SKU %q changed and was not announced", sku)
		}
		if announced[sku] && !w.model.stirred[sku] {
			w.t.Errorf("SKU %q was announced and had not changed", sku)
		}
	}
	w.shown, w.silent = shown, false
	clear(w.model.stirred)
	if w.t.Failed() {
		w.t.Fatal("the cache is not what the model says")
	}
}

func (w *cacheWorld) publish(rt *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(rt, "levels") {
		sku := rapid.SampledFrom(worldSKUs).Draw(rt, "sku")
		location := rapid.SampledFrom(worldLocations).Draw(rt, "location")
		if rapid.IntRange(0, 3).Draw(rt, "gone") == 0 {
			w.stream.publish(goneLevel(sku, location, 0))
			continue
		}
		l := levelOf(sku, location, 0, rapid.SampledFrom([]inventory.Quantity{0, one, half, 3 * one, 12_345_678}).Draw(rt, "on hand"))
		l.Quantities[inventory.Committed] = rapid.SampledFrom([]inventory.Quantity{0, one, 1}).Draw(rt, "committed")
		w.stream.publish(l)
	}
}

func (w *cacheWorld) session(rt *rapid.T) {
	w.stream.begin(w.stream.session + rapid.Uint64Range(1, 1_000).Draw(rt, "later"))
}

func (w *cacheWorld) newStream(rt *rapid.T) {
	w.older = append(w.older, w.stream.history...)
	w.stream = newLevelStream(w.stream.id+"'", w.stream.session+rapid.Uint64Range(1, 3).Draw(rt, "later"))
}

// step calls the cache and the model.
func (w *cacheWorld) step(s cacheStep) {
	if err := s.call(w.t, w.cache); err != nil {
		w.t.Fatalf("step %+v: %v", s, err)
	}
	s.model(w.model)
}

// follow applies what comes next, if the cache holds what comes before.
func (w *cacheWorld) follow(rt *rapid.T) {
	place := w.model.place
	if place.Stream != w.stream.id || place.Replay != 0 {
		rt.Skip("the stream must be replayed")
	}
	levels := w.stream.after(place.Sequence, rapid.IntRange(0, 4).Draw(rt, "batch"))
	to := place
	if len(levels) > 0 {
		v := levels[len(levels)-1].Version
		to.Session, to.Sequence = v.Session, v.Sequence
	}
	w.step(cacheStep{kind: stepApply, from: place, to: to, levels: levels})
}

// replay takes some or all steps of a replay.
func (w *cacheWorld) replay(rt *rapid.T) {
	if w.stream.sequence == 0 {
		rt.Skip("there is nothing to replay")
	}
	steps := w.stream.replaySteps(w.model.place, rapid.IntRange(1, 4).Draw(rt, "batch"))
	for _, step := range steps[:rapid.IntRange(1, len(steps)).Draw(rt, "steps")] {
		w.step(step)
	}
}

// redeliver applies levels of any age, in any order, without moving the place.
func (w *cacheWorld) redeliver(rt *rapid.T) {
	all := slices.Concat(w.older, w.stream.history)
	if len(all) == 0 || w.model.place.Replay != 0 {
		rt.Skip("nothing to redeliver")
	}
	levels := rapid.SliceOfN(rapid.SampledFrom(all), 1, 6).Draw(rt, "levels")
	w.step(cacheStep{kind: stepApply, from: w.model.place, to: w.model.place, levels: levels})
}

// zombie calls from a place that the cache does not hold.
func (w *cacheWorld) zombie(rt *rapid.T) {
	from := w.model.place
	switch rapid.IntRange(0, 4).Draw(rt, "field") {
	case 0:
		from.Stream += "?"
	case 1:
		from.Session++
	case 2:
		from.Sequence++
	case 3:
		from.Replay++
	default:
		if from == (connector.CachePlace{}) {
			rt.Skip("is the place")
		}
		from = connector.CachePlace{}
	}
	to := from
	to.Sequence += 5
	step := cacheStep{
		kind: rapid.SampledFrom([]stepKind{stepApply, stepBegin, stepEnd}).Draw(rt, "call"), from: from, to: to,
		levels: []inventory.LevelMessage{levelOf("A", "L", 1<<40, 99*one)},
	}
	wantFenced(w.t, "a zombie", step.call(w.t, w.cache))
}

func (w *cacheWorld) empty(*rapid.T) {
	w.s.Empty(w.t)
	w.model, w.silent = newCacheModel(), true
}

func (w *cacheWorld) rebuild(*rapid.T) {
	if err := w.cache.Rebuild(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	w.model.place = connector.CachePlace{}
}

func (w *cacheWorld) reopen(*rapid.T) {
	if err := w.cache.Close(); err != nil {
		w.t.Error(err)
	}
	w.cache = w.s.Open(w.t)
}
