package sinktest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// compare makes a message of rows that were read for a verification.
func (l *storeLog) compare(repair bool, events ...inventory.Event) connector.LogMessage {
	for i := range events {
		if events[i].Op != cdc.OpDelete {
			events[i].Op = cdc.OpRead
		}
	}
	m := l.commit(events...)
	m.Commits[0].Compare, m.Commits[0].Repair = "v1", repair
	return m
}

// nothing makes an event of a row that the source has and that maps to nothing.
func nothing(row int) inventory.Event {
	e := event(row)
	e.Op = cdc.OpRead
	return e
}

// wantCompared fails the test unless one table was compared, with these results.
func wantCompared(t testing.TB, a connector.Applied, want connector.ComparedRows) {
	t.Helper()
	got := connector.ComparedRows{}
	for _, c := range a.Compared {
		if c.Verification != "v1" || c.Table != binTable {
			t.Errorf("compared %s for %s, want %s for v1", c.Table, c.Verification, binTable)
		}
		got = got.Plus(c.ComparedRows)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(a.Compared) != 1 {
		t.Errorf("compared %d tables, want one (-want +got):\n%s", len(a.Compared), diff)
	}
}

const everything = `select 'c' kind, feed, row_key, leg, sku, location, on_hand, run, number from contribution
	union all select 'l', feed, sku, location, '', '', on_hand, contributions, updated_at from cell
	union all select 'p', feed, row_key, reason, '', '', 0, run, number from problem order by 1, 2, 3, 4`

// compareAll applies rows of every kind and compares them, each in another way.
func compareAll(t testing.TB, s StockStore, log *storeLog, repair bool) connector.Applied {
	t.Helper()
	second := onHand("B", "L", 1)
	second.Leg = "second"
	log.apply(t, s, log.commit(
		event(1, onHand("A", "L", 5), second), event(2, onHand("A", "L", 2)), event(3, onHand("A", "L", 3)),
		event(5, onHand("C", "L", 5)), event(7, onHand("C", "L", 7)), event(8, onHand("C", "L", 8)), event(9, onHand("C", "L", 9)),
		event(10, onHand("D", "L", 10), second), event(12, onHand("D", "L", 12)), event(20, onHand("E", "L", 1))),
		log.commit(problem(7, "odd"), problem(8, "odd"), problem(13, "odd"), problem(14, "odd")))
	return log.apply(t, s, log.compare(repair,
		event(1, second, onHand("A", "L", 5)),   // equal, in another order
		event(2, onHand("A", "L", 22)),          // another quantity
		event(3, onHand("A2", "L", 3)),          // another cell
		event(4, onHand("A", "L", 4)),           // missing
		event(5),                                // extra
		event(6),                                // on neither side
		problem(7, "odd"),                       // marked on both sides
		event(8, onHand("C", "L", 8)),           // marked here only
		problem(9, "odd"),                       // marked there only
		event(10, onHand("D", "L", 10)),         // a leg too many
		problem(11, "new"),                      // unknown here, and not mapped there
		event(12, onHand("D", "L", 12), second), // a leg too few
		event(13),                               // only marked, and not there
		nothing(14), nothing(15), nothing(20)))
}

// allCompared is what compareAll comes to.
func allCompared() connector.ComparedRows {
	return connector.ComparedRows{Equal: 4, Different: 8, Missing: 1, Extra: 2, Absent: 1}
}

// testCompare: comparing finds every difference, says what both sides have, and
// changes nothing.
func testCompare(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	r := newStoreRelay(t, s, false)
	compareAll(t, s, log, false)
	r.publish(t)
	before := table(t, d, everything)
	applied := log.apply(t, s, log.compare(false, event(2, onHand("A", "L", 22)), event(4, onHand("A", "L", 4)), event(5),
		event(8, onHand("C", "L", 8)), problem(9, "odd")))
	wantCompared(t, applied, connector.ComparedRows{Different: 3, Missing: 1, Extra: 1})
	if applied.Contributions != 0 || applied.Cells != 0 {
		t.Errorf("applied %+v, want nothing changed", applied)
	}
	if diff := cmp.Diff(before, table(t, d, everything)); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
	if n := r.publish(t); n != 0 {
		t.Errorf("%d levels published", n)
	}
	odd := &inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[0].on_hand", Reason: "odd"}
	stated := func(p *inventory.Problem, c ...inventory.Contribution) connector.Stated {
		return connector.Stated{Contributions: c, Problem: p}
	}
	differs := func(kind connector.DriftKind, row cdc.RowKey, source, store connector.Stated) connector.Difference {
		return connector.Difference{Kind: kind, Table: binTable, Mapping: binMapping, Row: row, Source: source, Store: store}
	}
	want := []connector.Difference{
		differs(connector.DriftDifferent, "[2]", stated(nil, onHand("A", "L", 22)), stated(nil, onHand("A", "L", 2))),
		differs(connector.DriftMissing, "[4]", stated(nil, onHand("A", "L", 4)), stated(nil)),
		differs(connector.DriftExtra, "[5]", stated(nil), stated(nil, onHand("C", "L", 5))),
		differs(connector.DriftDifferent, "[8]", stated(nil, onHand("C", "L", 8)), stated(odd, onHand("C", "L", 8))),
		differs(connector.DriftDifferent, "[9]", stated(odd), stated(nil, onHand("C", "L", 9))),
	}
	if diff := cmp.Diff(want, applied.Compared[0].Differences, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

// testCompareCounts: every way in which a row may differ counts once.
func testCompareCounts(t *testing.T, create func(testing.TB) StoreDatabase) {
	s := open(t, create(t))
	wantCompared(t, compareAll(t, s, newStoreLog("wms"), false), allCompared())
}

// testCompareRepair: what is repaired is published, and equal from then on.
func testCompareRepair(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	r := newStoreRelay(t, s, false)
	applied := compareAll(t, s, log, true)
	wantCompared(t, applied, allCompared())
	wantTable(t, d, "rows", `select row_key, leg, sku, cast(on_hand / 1000000 as integer) from contribution order by 1, 2`,
		"[10]|stock|D|10", "[12]|second|B|1", "[12]|stock|D|12", "[1]|second|B|1", "[1]|stock|A|5", "[2]|stock|A|22",
		"[3]|stock|A2|3", "[4]|stock|A|4", "[7]|stock|C|7", "[8]|stock|C|8", "[9]|stock|C|9")
	wantTable(t, d, "problems", `select row_key, reason from problem order by 1`, "[7]|odd", "[9]|odd")
	wantTable(t, d, "cells that are not the sum of their contributions", drifted)
	r.publish(t)
	if got := r.onHand("A", "L") + " " + r.onHand("C", "L") + " " + r.onHand("E", "L"); got != "31 24 gone" {
		t.Errorf("published %s", got)
	}
	again := log.apply(t, s, log.compare(true, event(2, onHand("A", "L", 22)), event(4, onHand("A", "L", 4)), event(5),
		event(8, onHand("C", "L", 8)), problem(9, "odd"), nothing(20)))
	wantCompared(t, again, connector.ComparedRows{Equal: 5, Absent: 1})
}

// testCompareMarks: a mark that a repair makes counts at once, and what stands
// behind it clears it.
func testCompareMarks(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 1))))
	applied := log.apply(t, s, log.compare(true, problem(1, "odd")), log.commit(), log.compare(false, problem(1, "odd")),
		log.commit(event(1, onHand("A", "L", 1))), log.compare(false, event(1, onHand("A", "L", 1))))
	wantCompared(t, applied, connector.ComparedRows{Equal: 2, Different: 1})
	wantTable(t, d, "problems", `select row_key from problem`)
}

// testCompareTwice: what one verification repaired is equal for the next.
func testCompareTwice(t *testing.T, create func(testing.TB) StoreDatabase) {
	s := open(t, create(t))
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 1))))
	second := log.compare(false, event(1, onHand("A", "L", 2)))
	second.Commits[0].Compare = "v2"
	applied := log.apply(t, s, log.compare(true, event(1, onHand("A", "L", 2))), second)
	got := map[string]connector.ComparedRows{}
	for _, c := range applied.Compared {
		got[c.Verification] = c.ComparedRows
	}
	want := map[string]connector.ComparedRows{"v1": {Different: 1}, "v2": {Equal: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}

// testCompareBeforeFlip: what a repair put right is what a flip takes over.
func testCompareBeforeFlip(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	started := log.loadStarted(s.ID(), inventory.FeedName{Table: binTable, Mapping: otherMapping})
	log.apply(t, s, started, log.read(started, remapped(problem(1, "odd"))),
		log.compare(true, event(1, onHand("A", "L", 9))), log.loadCompleted(started))
	wantTable(t, d, "levels", countedLevels, "A|L|9")
}

// testCompareInPlace: rows are compared exactly where they stand, whatever else is
// in the batch.
func testCompareInPlace(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	applied := log.apply(t, s,
		log.commit(event(1, onHand("A", "L", 1)), event(2, onHand("B", "L", 1))),
		log.compare(false, event(1, onHand("A", "L", 1))),
		log.chunk("v1"),
		log.compare(false, event(2, onHand("B", "L", 1)), event(3)),
		log.commit(event(1, onHand("A", "L", 2)), event(3, onHand("C", "L", 3))),
		log.compare(true, event(1, onHand("A", "L", 2)), event(2, onHand("B", "L", 9)), event(3, onHand("C", "L", 3))),
		log.commit(event(2, onHand("B", "L", 3)), event(3)),
		log.compare(false, event(2, onHand("B", "L", 3)), event(3), event(1, onHand("A", "L", 2))),
		log.commit(event(1)))
	wantCompared(t, applied, connector.ComparedRows{Equal: 6, Different: 1, Absent: 2})
	wantTable(t, d, "levels", countedLevels, "B|L|3")
	wantTable(t, d, "cells that are not the sum of their contributions", drifted)
}

// testCompareTruncated: what was emptied is compared as empty.
func testCompareTruncated(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 1)), event(2, onHand("B", "L", 2))))
	applied := log.apply(t, s,
		log.compare(false, event(1, onHand("A", "L", 1))),
		log.commit(truncate(), event(2, onHand("B", "L", 3))),
		log.compare(true, event(1), event(2, onHand("B", "L", 3)), event(3, onHand("C", "L", 3))),
		log.commit(truncate()),
		log.compare(false, event(2), event(3)))
	wantCompared(t, applied, connector.ComparedRows{Equal: 2, Missing: 1, Absent: 3})
	wantTable(t, d, "levels", countedLevels)
}

// testCompareFeeds: rows are compared with the feed that counts, stale or not, if it
// is of their mapping, and with none that is being loaded.
func testCompareFeeds(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 1))))
	started := log.loadStarted(s.ID(), inventory.FeedName{Table: binTable, Mapping: otherMapping})
	applied := log.apply(t, s, log.gap(), started, log.read(started, remapped(event(1, onHand("A", "L", 7)))),
		log.compare(true, event(1, onHand("A", "L", 1)), remapped(event(1, onHand("A", "L", 8))), remapped(event(2, onHand("A", "L", 8)))),
		log.loadCompleted(started),
		log.compare(true, event(1, onHand("A", "L", 1)), remapped(event(1, onHand("A", "L", 7)))))
	wantCompared(t, applied, connector.ComparedRows{Equal: 2, Unchecked: 3})
	wantTable(t, d, "levels", countedLevels, "A|L|7")

	stale := log.apply(t, s, log.gap(), log.compare(true, remapped(event(1, onHand("A", "L", 9)))))
	wantCompared(t, stale, connector.ComparedRows{Different: 1})
	wantTable(t, d, "levels", countedLevels, "A|L|9")
	wantTable(t, d, "feeds", liveFeeds, binTable+"|"+string(otherMapping)+"|stale")
}

// testCompareMany: a batch that compares more rows than one statement takes, with
// some that differ, describes only some of them.
func testCompareMany(t *testing.T, create func(testing.TB) StoreDatabase) {
	s := open(t, create(t))
	log := newStoreLog("wms")
	newStoreRelay(t, s, false)
	const rows = 12_000
	var stored, read []inventory.Event
	for i := range rows {
		stored = append(stored, event(i, onHand("A", "L", int64(i))))
		wanted := int64(i)
		if i%100 == 0 {
			wanted++
		}
		read = append(read, event(i, onHand("A", "L", wanted)))
	}
	log.apply(t, s, log.commit(stored...))
	applied := log.apply(t, s, log.compare(true, read...))
	wantCompared(t, applied, connector.ComparedRows{Equal: rows - rows/100, Different: rows / 100})
	if n := len(applied.Compared[0].Differences); n != connector.MaxDifferences {
		t.Errorf("%d differences described, want %d", n, connector.MaxDifferences)
	}
	for _, difference := range applied.Compared[0].Differences {
		want, got := difference.Source.Contributions[0], difference.Store.Contributions
		want.Quantities[inventory.OnHand] -= inventory.One
		if len(got) != 1 || got[0] != want {
			t.Errorf("row %s: the store has %v, want %v", difference.Row, got, want)
		}
	}
	wantCompared(t, log.apply(t, s, log.compare(false, read...)), connector.ComparedRows{Equal: rows})
}
