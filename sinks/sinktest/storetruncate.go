package sinktest

import (
	"fmt"
	"testing"

	"tailstock/connector/inventory"
)

// sweepAll sweeps until nothing is left to sweep.
func sweepAll(t testing.TB, s StockStore) {
	t.Helper()
	for range 10_000 {
		more, err := s.Sweep(t.Context())
		if err != nil {
			t.Fatalf("sweep: %v", err)
		}
		if !more {
			return
		}
	}
	t.Fatal("sweeping does not end")
}

const countedContributions = `select c.row_key, c.sku, c.on_hand / 1000000 from contribution c
	join feed f on f.id = c.feed and f.state in ('active', 'stale') order by 1`

func testTruncate(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(truncate())) // of a table that the store does not know
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("B", "L", 5)), event(3, onHand("C", "L", 5)), problem(4, "odd")))
	r := newStoreRelay(t, s, false)
	r.publish(t)

	log.apply(t, s, log.commit(truncate(), event(2, onHand("B", "L", 5)), event(3, onHand("C", "L", 7))))
	wantTable(t, d, "counted contributions", countedContributions, "[2]|B|5", "[3]|C|7")
	wantTable(t, d, "levels", `select sku from stock_level order by 1`, "B", "C")
	messages := r.messages
	r.publish(t)
	if r.onHand("A", "L") != "gone" || r.onHand("B", "L") != "5" || r.onHand("C", "L") != "7" {
		t.Errorf("published %v", r.levels)
	}
	// B and C are listed by the apply; of the walk, only A and C differ.
	if n := r.messages - messages; n > 4 {
		t.Errorf("%d levels published", n)
	}
	settled(t, d)
	sweepAll(t, s)
	wantTable(t, d, "all contributions", contributionsOf, "[2]|stock|B|L|5|0|3|703", "[3]|stock|C|L|7|0|3|703")
	wantTable(t, d, "cells", cellsOf, "B|L|1|5|0|703", "C|L|1|7|0|703")
	wantTable(t, d, "problems", problemsOf)
	wantTable(t, d, "feeds", feedsOf, "wms|wms.bin_stock|9f2c51d07a3b8e64|active")
}

func testTruncateInBatch(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 1))))
	r := newStoreRelay(t, s, false)
	r.publish(t)
	// What stands before a truncation in the same batch is undone by it, twice.
	log.apply(t, s,
		log.commit(event(2, onHand("B", "L", 2)), problem(5, "odd")), log.commit(truncate(), event(3, onHand("C", "L", 3))),
		log.commit(event(1, onHand("A", "L", 9)), truncate(), event(4, onHand("D", "L", 4))))
	wantTable(t, d, "counted contributions", countedContributions, "[4]|D|4")
	wantTable(t, d, "problems", problemsOf)
	r.publish(t)
	got := fmt.Sprint(r.onHand("A", "L"), r.onHand("B", "L"), r.onHand("C", "L"), r.onHand("D", "L"))
	if got != "gonenonenone4" {
		t.Errorf("published %v", r.levels)
	}
	// Twice in a row, before anything was published or swept.
	log.apply(t, s, log.commit(truncate()))
	log.apply(t, s, log.commit(event(5, onHand("E", "L", 5))))
	log.apply(t, s, log.commit(truncate(), event(6, onHand("A", "L", 6))))
	r.publish(t)
	if got := fmt.Sprint(r.onHand("A", "L"), r.onHand("D", "L"), r.onHand("E", "L")); got != "6gonegone" {
		t.Errorf("published %v", r.levels)
	}
	settled(t, d)
	sweepAll(t, s)
	wantTable(t, d, "feeds", feedsOf, "wms|wms.bin_stock|9f2c51d07a3b8e64|active")
}

// testTruncateStale: an empty table is known exactly, whatever was missed before.
func testTruncateStale(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))), log.feeds())
	log.apply(t, s, log.feeds(bins), log.commit(truncate()))
	wantTable(t, d, "feeds that count", `select state from feed where state in ('active', 'stale')`, "active")
	log.apply(t, s, log.feeds())
	log.apply(t, s, log.feeds(bins), log.commit(truncate()))
	wantTable(t, d, "feeds that count", `select state from feed where state in ('active', 'stale')`, "active")
}

func testSweep(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	const rows = 4_500
	events := make([]inventory.Event, rows)
	for i := range events {
		events[i] = event(i, onHand(fmt.Sprintf("S%05d", i), "L", 1))
	}
	log.apply(t, s, log.commit(events...))
	other := newStoreLog("erp")
	other.apply(t, s, other.commit(events[:10]...))
	log.apply(t, s, log.commit(truncate(), event(1, onHand("S00001", "L", 1))))

	// Nothing goes while a walk needs it.
	if more, err := s.Sweep(t.Context()); more || err != nil {
		t.Errorf("swept (%v) while a walk compares the feeds: %v", more, err)
	}
	r := newStoreRelay(t, s, false)
	r.publish(t)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if more, err := s.Sweep(t.Context()); more || err != nil {
		t.Errorf("swept (%v) while a walk is over everything: %v", more, err)
	}
	r.publish(t)
	if r.onHand("S04499", "L") != "gone" || r.onHand("S00001", "L") != "2" || r.onHand("S00002", "L") != "1" {
		t.Errorf("published %s %s %s", r.onHand("S04499", "L"), r.onHand("S00001", "L"), r.onHand("S00002", "L"))
	}
	if more, err := s.Sweep(t.Context()); !more || err != nil {
		t.Errorf("more %v, %v after one sweep", more, err)
	}
	if n := number(t, d, `select count(*) from contribution`); n < rows/3 || n >= rows {
		t.Errorf("one sweep leaves %d rows of %d", n, rows)
	}
	sweepAll(t, s)
	for query, want := range map[string]int{
		`select count(*) from contribution`: 11, `select count(*) from cell`: 11, `select count(*) from feed`: 2,
	} {
		if got := number(t, d, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}
