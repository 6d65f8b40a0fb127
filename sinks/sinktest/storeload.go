package sinktest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

const (
	countedLevels = `select sku, location, cast(on_hand as integer) from stock_level order by 1, 2`
	liveFeeds     = `select table_name, mapping, state from feed where state <> 'dropped' order by id`
)

// remapped makes an event be of the other mapping.
func remapped(e inventory.Event) inventory.Event {
	e.Mapping = otherMapping
	return e
}

// testLoad fills a feed beside the one that counts: nobody sees it before it
// flips, and then all of it at once.
func testLoad(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("B", "L", 2))))
	r := newStoreRelay(t, s, false)
	r.publish(t)

	started := log.loadStarted(s.ID(), bins)
	applied := log.apply(t, s, started)
	want := []connector.FeedReport{{FeedName: bins, State: connector.FeedActive}, {FeedName: bins, State: connector.FeedLoading}}
	if diff := cmp.Diff(want, applied.Feeds); diff != "" {
		t.Errorf("feeds (-want +got):\n%s", diff)
	}
	// Row 1 was read, row 2 is not there any more and nobody said so, row 3 is new;
	// row 4 changes while the load goes on.
	applied = log.apply(t, s, log.read(started, event(1, onHand("A", "L", 5)), event(3, onHand("C", "L", 3))),
		log.commit(event(4, onHand("D", "L", 4))))
	if applied.Contributions != 4 || applied.Cells != 1 {
		t.Errorf("applied %+v, want 4 contributions, and one cell that counts", applied)
	}
	wantTable(t, d, "levels", countedLevels, "A|L|5", "B|L|2", "D|L|4")
	if n := r.publish(t); n != 1 {
		t.Errorf("%d levels published while the load goes on, want the one that changed", n)
	}
	messages := r.messages
	applied = log.apply(t, s, log.loadCompleted(started))
	if diff := cmp.Diff([]connector.FeedReport{{FeedName: bins, State: connector.FeedActive}}, applied.Feeds); diff != "" {
		t.Errorf("feeds after the flip (-want +got):\n%s", diff)
	}
	waitFor(t, s.Wake(), "a flip")
	wantTable(t, d, "levels", countedLevels, "A|L|5", "C|L|3", "D|L|4")
	r.publish(t)
	if r.onHand("B", "L") != "gone" || r.onHand("C", "L") != "3" {
		t.Errorf("published %v", r.levels)
	}
	if n := r.messages - messages; n != 2 {
		t.Errorf("%d levels published by the flip, want the two that differ", n)
	}
	settled(t, d)
	sweepAll(t, s)
	wantTable(t, d, "contributions", `select row_key, sku from contribution order by 1`, "[1]|A", "[3]|C", "[4]|D")

	// The same load's end comes again after a lost tail, and its rows.
	log.apply(t, s, log.read(started, event(2, onHand("B", "L", 9))), log.loadCompleted(started))
	wantTable(t, d, "levels", countedLevels, "A|L|5", "C|L|3", "D|L|4")
}

// testLoadFlipsTogether: the feeds of a load count from one moment on, in one
// batch with what stands around it.
func testLoadFlipsTogether(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.tables = nil
	newStoreRelay(t, s, false)
	feeds := []inventory.FeedName{{Table: binTable, Mapping: binMapping}, {Table: orderTable, Mapping: otherMapping}}
	order := remapped(event(1, onHand("A", "L", -2)))
	order.Table = orderTable
	started := log.loadStarted(s.ID(), feeds...)
	log.apply(t, s, started, log.read(started, event(1, onHand("A", "L", 5))))
	wantTable(t, d, "levels", countedLevels)
	log.apply(t, s, log.read(started, order), log.commit(event(2, onHand("B", "L", 1))),
		log.loadCompleted(started), log.commit(event(1, onHand("A", "L", 9))))
	wantTable(t, d, "levels", countedLevels, "A|L|7", "B|L|1")
	wantTable(t, d, "cells that are not the sum of their contributions", drifted)
}

// testLoadReplacesMapping: the numbers under an old mapping stay live until those
// under the new one are complete, and never count together with them.
func testLoadReplacesMapping(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("A", "L", 7))))
	started := log.loadStarted(s.ID(), inventory.FeedName{Table: binTable, Mapping: otherMapping})
	log.apply(t, s, started, log.read(started, remapped(event(1, onHand("A-NEW", "L", 5)))))
	log.apply(t, s, log.commit(event(2, onHand("A", "L", 8)), remapped(event(2, onHand("A-NEW", "L", 8)))))
	wantTable(t, d, "levels", countedLevels, "A|L|13")
	log.apply(t, s, log.loadCompleted(started), log.commit(event(2, onHand("A", "L", 9)), remapped(event(2, onHand("A-NEW", "L", 9)))))
	wantTable(t, d, "levels", countedLevels, "A-NEW|L|14")
	wantTable(t, d, "feeds", liveFeeds, binTable+"|"+string(otherMapping)+"|active")
}

// testLoadForOthers: a load that is not for this store changes nothing in it, and
// one that is for it gives up the one before.
func testLoadForOthers(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	foreign := log.loadStarted("another", bins)
	log.apply(t, s, foreign, log.read(foreign, event(2, onHand("B", "L", 1))), log.loadCompleted(foreign))
	wantTable(t, d, "levels", countedLevels, "A|L|5")

	first := log.loadStarted(s.ID(), bins)
	log.apply(t, s, first, log.read(first, event(3, onHand("C", "L", 1))))
	second := log.loadStarted(s.ID(), bins)
	log.apply(t, s, second, log.read(first, event(3, onHand("C", "L", 2))), log.loadCompleted(first))
	wantTable(t, d, "levels", countedLevels, "A|L|5")
	log.apply(t, s, log.read(second, event(1, onHand("A", "L", 6))), log.loadCompleted(second))
	wantTable(t, d, "levels", countedLevels, "A|L|6")
	sweepAll(t, s)
}

// testLoadTakesOver: a row with a problem keeps its last good contributions over a flip.
func testLoadTakesOver(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	r := newStoreRelay(t, s, false)
	other := onHand("B", "L", 2)
	other.Leg = "other"
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5), other), event(2, onHand("A", "L", 1)), event(3, onHand("C", "L", 3))))
	r.publish(t)
	started := log.loadStarted(s.ID(), inventory.FeedName{Table: binTable, Mapping: otherMapping})
	log.apply(t, s, started, log.read(started, remapped(problem(1, "odd")), remapped(event(2, onHand("A", "L", 2))),
		remapped(event(3, onHand("C", "L", 4))), remapped(problem(4, "new"))), log.commit(remapped(problem(3, "late"))))
	log.apply(t, s, log.loadCompleted(started))
	wantTable(t, d, "levels", countedLevels, "A|L|7", "B|L|2", "C|L|4")
	wantTable(t, d, "problems", `select p.row_key, p.reason from problem p join feed f on f.id = p.feed and f.state = 'active' order by 1`,
		"[1]|odd", "[3]|late", "[4]|new")
	wantTable(t, d, "cells that are not the sum of their contributions", drifted)
	r.publish(t)
	if r.onHand("A", "L") != "7" || r.onHand("B", "L") != "2" {
		t.Errorf("published %v", r.levels)
	}
	// A good event replaces what was taken over.
	log.apply(t, s, log.commit(remapped(event(1, onHand("A", "L", 6)))))
	wantTable(t, d, "levels", countedLevels, "A|L|8", "C|L|4")
}

// testLoadDroppedWhole: a run that does not capture one table of a load ends it,
// even if a later run goes on with it: the other tables must not count alone.
func testLoadDroppedWhole(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	bins, orders := inventory.FeedName{Table: binTable, Mapping: binMapping}, inventory.FeedName{Table: orderTable, Mapping: otherMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	started := log.loadStarted(s.ID(), bins, orders)
	log.apply(t, s, started, log.read(started, event(1, onHand("A", "L", 6))))
	applied := log.apply(t, s, log.feeds(bins))
	if diff := cmp.Diff([]connector.FeedReport{{FeedName: bins, State: connector.FeedActive}}, applied.Feeds); diff != "" {
		t.Errorf("feeds (-want +got):\n%s", diff)
	}
	log.apply(t, s, log.feeds(bins, orders), log.loadCompleted(started))
	wantTable(t, d, "levels", countedLevels, "A|L|5")
	wantTable(t, d, "feeds", liveFeeds, binTable+"|"+string(binMapping)+"|active")
	sweepAll(t, s)
}

// testLoadTruncated: a truncation empties what counts and what is being loaded.
func testLoadTruncated(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	r := newStoreRelay(t, s, false)
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	started := log.loadStarted(s.ID(), bins)
	log.apply(t, s, started, log.read(started, event(1, onHand("A", "L", 5))))
	log.apply(t, s, log.commit(truncate(), event(2, onHand("B", "L", 2))), log.read(started, event(3, onHand("C", "L", 3))))
	wantTable(t, d, "levels", countedLevels, "B|L|2")
	log.apply(t, s, log.loadCompleted(started))
	wantTable(t, d, "levels", countedLevels, "B|L|2", "C|L|3")
	r.publish(t)
	if got := r.onHand("A", "L") + r.onHand("B", "L") + r.onHand("C", "L"); got != "none23" && got != "gone23" {
		t.Errorf("published %v", r.levels)
	}
	sweepAll(t, s)
	wantTable(t, d, "contributions", `select row_key, sku from contribution order by 1`, "[2]|B", "[3]|C")
}

// testGap: what counts is stale after a gap and counts on; what was loading is gone.
func testGap(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	lost := log.loadStarted(s.ID(), bins)
	log.apply(t, s, lost, log.gap(), log.read(lost, event(2, onHand("B", "L", 1))), log.loadCompleted(lost),
		log.commit(event(3, onHand("C", "L", 3))))
	wantTable(t, d, "levels", countedLevels, "A|L|5", "C|L|3")
	wantTable(t, d, "feeds", liveFeeds, binTable+"|"+string(binMapping)+"|stale")
	again := log.loadStarted(s.ID(), bins)
	log.apply(t, s, again, log.read(again, event(3, onHand("C", "L", 3))), log.loadCompleted(again))
	wantTable(t, d, "levels", countedLevels, "C|L|3")
	wantTable(t, d, "feeds", liveFeeds, binTable+"|"+string(binMapping)+"|active")
}

// testRebase: a store jumps over what its log has lost, if it is where its worker
// believes.
func testRebase(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	log.apply(t, s, log.loadStarted(s.ID(), bins))
	to := inventory.Position{Run: log.at.Run + 5, Number: 7}
	good := connector.Rebase{Source: "wms", ExpectLog: log.id, Expect: log.at, LogID: "log-2", Position: to}
	for name, change := range map[string]func(*connector.Rebase){
		"position": func(r *connector.Rebase) { r.Expect.Number++ },
		"log":      func(r *connector.Rebase) { r.ExpectLog = "log-2" },
		"source":   func(r *connector.Rebase) { r.Source = "erp" },
	} {
		bad := good
		change(&bad)
		if _, err := s.Rebase(t.Context(), bad); !isFenced(err) {
			t.Errorf("another %s: %v, want it fenced", name, err)
		}
	}
	feeds, err := s.Rebase(t.Context(), good)
	stale := []connector.FeedReport{{FeedName: bins, State: connector.FeedStale}}
	if diff := cmp.Diff(stale, feeds); err != nil || diff != "" {
		t.Errorf("rebase: %v %s", err, diff)
	}
	state, err := s.SourceState(t.Context(), "wms")
	if diff := cmp.Diff(connector.SourceState{LogID: "log-2", Position: to, Feeds: stale}, state); err != nil || diff != "" {
		t.Errorf("state: %v %s", err, diff)
	}
	// A store that has never applied anything of a source begins where it is told to.
	fresh := connector.Rebase{Source: "new", LogID: "log-n", Position: to}
	if feeds, err := s.Rebase(t.Context(), fresh); err != nil || len(feeds) != 0 {
		t.Errorf("rebase of a new source: %v, %v", feeds, err)
	}
}

// testLoaded: a source is loaded once one of its feeds counts.
func testLoaded(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	loaded := func(want ...string) {
		t.Helper()
		got, err := s.Loaded(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("loaded %q (%v), want %q", got, err, want)
		}
	}
	loaded()
	wms, erp := newStoreLog("wms"), newStoreLog("erp")
	wms.tables, erp.tables = nil, nil
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	started := wms.loadStarted(s.ID(), bins)
	wms.apply(t, s, started)
	loaded()
	wms.apply(t, s, wms.loadCompleted(started), wms.gap())
	loaded("wms")
	started = erp.loadStarted(s.ID(), bins)
	erp.apply(t, s, started, erp.loadCompleted(started))
	loaded("erp", "wms")
}
