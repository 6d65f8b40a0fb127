package sinktest

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// storeClock is the clock of the stores of a database, which the test moves.
type storeClock struct{ passed atomic.Int64 }

// newStoreClock sets the clock of the stores that are opened afterwards to the start of
// every log.
func newStoreClock(d StoreDatabase) *storeClock {
	c := new(storeClock)
	d.SetClock(c.now)
	return c
}

func (c *storeClock) now() time.Time           { return startTime().Add(time.Duration(c.passed.Load())) }
func (c *storeClock) pass(d time.Duration)     { c.passed.Add(int64(d)) }
func (c *storeClock) moment() inventory.Moment { return inventory.MomentOf(c.now()) }
func second(n int) inventory.Moment {
	return inventory.MomentOf(startTime().Add(time.Duration(n) * time.Second))
}

func valid(from, until int) inventory.Validity {
	return inventory.Validity{From: second(from), Until: second(until)}
}
func validFrom(from int) inventory.Validity   { return inventory.Validity{From: second(from)} }
func validUntil(until int) inventory.Validity { return inventory.Validity{Until: second(until)} }

// timed gives a contribution a validity.
func timed(c inventory.Contribution, v inventory.Validity) inventory.Contribution {
	c.Valid = v
	return c
}

// elapse lets the store notice that time has passed, once.
func elapse(t testing.TB, s StockStore, source string) connector.Elapsed {
	t.Helper()
	e, err := s.Elapse(t.Context(), source)
	if err != nil {
		t.Fatalf("elapse: %v", err)
	}
	return e
}

// elapseAll lets the store notice all of it: a second call has nothing to do.
func elapseAll(t testing.TB, s StockStore, source string) {
	t.Helper()
	for elapse(t, s, source).Contributions > 0 {
	}
}

// timedStore is a store with one source, and the model of it.
type timedStore struct {
	t     *testing.T
	d     StoreDatabase
	s     StockStore
	log   *storeLog
	clock *storeClock
	model *storeModel
	relay *storeRelay
}

func newTimedStore(t *testing.T, create func(testing.TB) StoreDatabase) *timedStore {
	d := create(t)
	w := &timedStore{t: t, d: d, clock: newStoreClock(d), log: newStoreLog("wms")}
	w.s = open(t, d)
	w.model = newStoreModel(w.s)
	w.model.open(w.log)
	w.relay = newStoreRelay(t, w.s, false)
	return w
}

// apply applies messages to store and model.
func (w *timedStore) apply(messages ...connector.LogMessage) connector.Applied {
	w.t.Helper()
	applied := w.log.apply(w.t, w.s, messages...)
	for i := range messages {
		w.model.message(&messages[i])
	}
	return applied
}

// at sets the clock to so many seconds after the start, and lets the store notice.
func (w *timedStore) at(n int) connector.Elapsed {
	w.t.Helper()
	w.clock.passed.Store(int64(time.Duration(n) * time.Second))
	w.model.now = w.clock.moment()
	return elapse(w.t, w.s, w.log.source)
}

// check compares the store and what is published of it with the model.
func (w *timedStore) check() {
	w.t.Helper()
	w.model.levels()
	w.model.compare(w.t, w.d)
	w.relay.publish(w.t)
	w.model.comparePublished(w.t, w.relay)
}

// want fails the test unless an Elapse changed so many contributions and cells, and
// more is due at a second, or at no time if next is 0.
func (w *timedStore) want(got connector.Elapsed, contributions, cells, next int) {
	w.t.Helper()
	want := connector.Elapsed{Contributions: contributions, Cells: cells}
	if next != 0 {
		want.Next = second(next)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("elapsed (-want +got):\n%s", diff)
	}
}

// testValidity: contributions count from their first moment on until before their last.
func testValidity(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	applied := w.apply(w.log.commit(
		event(1, timed(onHand("A", "L", 5), validFrom(10))),
		event(2, timed(onHand("A", "L", 7), validUntil(20))),
		event(3, timed(onHand("B", "L", 1), valid(10, 20))),
		event(4, timed(onHand("C", "L", 9), validFrom(-1))),
		event(5, timed(onHand("D", "L", 9), validUntil(0))),
		event(6, timed(onHand("E", "L", 9), valid(15, 15)), timed(onHandLeg("2", "E", "M", 1), valid(16, 15))),
	))
	if applied.Due != second(10) || applied.Cells != 2 || applied.Contributions != 7 {
		t.Errorf("applied %+v, want what is due at 10, 7 contributions and the cells of A and C", applied)
	}
	w.check()
	w.want(w.at(9), 0, 0, 10)
	w.check()
	w.clock.pass(999 * time.Millisecond)
	w.want(elapse(t, w.s, "wms"), 0, 0, 10)
	w.want(w.at(10), 2, 2, 20)
	w.check()
	if l := w.relay.levels[cell("A", "L")]; l.Quantities[inventory.OnHand] != 12*inventory.One || l.Source != "wms" ||
		!l.CommittedAt.Equal(second(10).Time()) {
		t.Errorf("A became %+v, want 12, caused in wms at second 10", l)
	}
	w.want(w.at(10), 0, 0, 20)
	wantTable(t, w.d, "outbox after a look that found nothing", `select id from outbox`)
	w.want(w.at(20), 2, 2, 0)
	w.check()
	if l := w.relay.levels[cell("B", "L")]; !l.Gone {
		t.Errorf("B became %+v, want it gone", l)
	}
	w.want(w.at(1000), 0, 0, 0)
	w.want(elapse(t, w.s, "unknown"), 0, 0, 0)
	if n := number(t, w.d, `select count(*) from source_state where source = 'unknown'`); n != 0 {
		t.Error("a look at a source that is not there made it")
	}
}

// testValidityMissed: what began or ended while nobody looked does so when somebody does.
func testValidityMissed(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	w.apply(w.log.commit(
		event(1, timed(onHand("A", "L", 1), validFrom(10)), timed(onHandLeg("2", "A", "L", 2), validUntil(10))),
		event(2, timed(onHand("A", "L", 4), valid(10, 20))),
		event(3, timed(onHand("B", "L", 8), valid(10, 20))),
	))
	w.check()
	w.clock.pass(time.Hour)
	w.s = open(t, w.d) // as another process, that knows nothing of the first
	w.relay.store = w.s
	w.relay.begin(t, false)
	// What was never counted and is over is no change of a level.
	w.want(w.at(3600), 4, 1, 0)
	w.check()
	if _, published := w.relay.levels[cell("B", "L")]; published {
		t.Error("a level of B was published, which never counted in any committed state")
	}
}

// onHandLeg is onHand of a leg.
func onHandLeg(leg, sku, location string, units int64) inventory.Contribution {
	c := onHand(sku, location, units)
	c.Leg = leg
	return c
}

// testValidityChanged: rows whose contributions have a validity change like any other,
// and make a level only where they change what counts.
func testValidityChanged(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	step := func(what string, cells int, due int, events ...inventory.Event) {
		t.Helper()
		applied := w.apply(w.log.commit(events...))
		want := inventory.Moment(0)
		if due != 0 {
			want = second(due)
		}
		if applied.Cells != cells || applied.Due != want {
			t.Errorf("%s: applied %+v, want %d cells and %v", what, applied, cells, want)
		}
		w.check()
	}
	waiting := timed(onHand("A", "L", 5), validFrom(10))
	step("wait", 0, 10, event(1, waiting))
	step("again", 0, 0, event(1, waiting))
	step("another quantity", 0, 0, event(1, timed(onHand("A", "L", 6), validFrom(10))))
	step("another cell", 0, 10, event(1, timed(onHand("B", "L", 6), validFrom(10))))
	step("later", 0, 30, event(1, timed(onHand("B", "L", 6), validFrom(30))))
	step("now", 1, 0, event(1, timed(onHand("B", "L", 6), validFrom(0))))
	step("always", 0, 0, event(1, onHand("B", "L", 6)))
	step("until", 0, 20, event(1, timed(onHand("B", "L", 6), validUntil(20))))
	step("until, of which more", 1, 0, event(1, timed(onHand("B", "L", 7), validUntil(20))))
	step("over", 1, 0, event(1, timed(onHand("B", "L", 7), validUntil(-20))))
	step("over elsewhere", 0, 0, event(1, timed(onHand("C", "L", 7), validUntil(-20))))
	step("withdrawn", 0, 0, event(1))
	step("anew", 1, 20, event(1, timed(onHand("C", "L", 7), validUntil(20))))
	step("withdrawn while it counts", 1, 0, event(1))
	w.want(w.at(100), 0, 0, 0)

	// A row may change when it is due and nobody noticed yet.
	step("to be late", 0, 110, event(2, timed(onHand("D", "L", 1), validFrom(110))), event(3, timed(onHand("D", "L", 2), validFrom(110))))
	w.clock.pass(time.Hour)
	w.model.now = w.clock.moment()
	applied := w.apply(w.log.commit(event(2, timed(onHand("D", "L", 4), validFrom(110))), event(3, timed(onHand("D", "M", 8), validFrom(110)))))
	if applied.Cells != 1 {
		t.Errorf("late: applied %+v, want the cell to which the row moved", applied)
	}
	w.want(elapse(t, w.s, "wms"), 1, 1, 0)
	w.check()
}

// testValidityOfProblems: a row that cannot be mapped keeps its last good contributions,
// and those keep their validity.
func testValidityOfProblems(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	w.apply(w.log.commit(event(1, timed(onHand("A", "L", 5), valid(10, 20)))), w.log.commit(problem(1, "odd")))
	w.check()
	w.want(w.at(10), 1, 1, 20)
	w.check()
	w.want(w.at(20), 1, 1, 0)
	w.check()
}

// testValidityMeets: what ends and what begins at one moment change a level once, if at all.
func testValidityMeets(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	w.log.tables = append(w.log.tables, inventory.FeedName{Table: orderTable, Mapping: binMapping})
	w.model = newStoreModel(w.s)
	w.model.open(w.log)
	other := event(1, timed(onHand("B", "L", 5), validFrom(10)))
	other.Table = orderTable
	w.apply(w.log.commit(
		event(1, timed(onHand("A", "L", 5), validUntil(10))), event(2, timed(onHand("A", "L", 5), validFrom(10))),
		event(3, timed(onHand("B", "L", 5), validUntil(10))), other,
	))
	w.check()
	w.want(w.at(10), 4, 2, 0)
	// B is of two tables, each of which changed; A did not change at all.
	w.relay.publish(t)
	w.check()
	if got := w.relay.levels[cell("A", "L")]; got.Transaction != "701" {
		t.Errorf("A is %+v, want it as the commit left it", got)
	}
}

// testValidityLoads: what a load reads is judged by the clock like everything else,
// also by what passes before it is completed.
func testValidityLoads(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	w.apply(w.log.commit(
		event(1, timed(onHand("A", "L", 5), valid(10, 40))), event(2, timed(onHand("B", "L", 5), validFrom(60))),
		event(3, timed(onHand("C", "L", 1), validUntil(10))),
	))
	started := w.log.loadStarted(w.s.ID(), inventory.FeedName{Table: binTable, Mapping: binMapping})
	rows := make([]inventory.Event, 300)
	for i := range rows {
		rows[i] = event(100+i, timed(onHand("S"+strconv.Itoa(i%40), "L", 1), valid(20, 30+i%3)))
	}
	w.apply(started, w.log.read(started, rows...), w.log.read(started, event(1, timed(onHand("A", "L", 5), valid(10, 40)))))
	w.check()
	w.want(w.at(20), 303, 2, 30) // cells that are being loaded are nobody's business yet
	w.check()
	// Rows of cells that the clock made, and new ones.
	more := make([]inventory.Event, 300)
	for i := range more {
		more[i] = event(500+i, onHand("S"+strconv.Itoa(i%80), "L", 2))
	}
	w.apply(w.log.read(started, more...))
	w.check()
	// The row with a problem takes over what has not begun yet.
	w.apply(w.log.read(started, problem(2, "odd"), problem(3, "odd")), w.log.loadCompleted(started))
	w.check()
	w.want(w.at(31), 200, 40, 32)
	w.check()
	w.want(w.at(60), 102, 42, 0)
	w.check()
	w.apply(w.log.commit(truncate()))
	w.check()
	w.want(w.at(100), 0, 0, 0)
	sweepAll(t, w.s)
	w.check()
}

// testValidityCompared: a row is what the source says only if its validity is, whether it
// counts or not.
func testValidityCompared(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	waiting, over := timed(onHand("A", "L", 5), validFrom(10)), timed(onHand("A", "L", 5), validUntil(-1))
	w.apply(w.log.commit(event(1, waiting), event(2, over), event(3, onHand("A", "L", 1)), event(4, waiting)))
	compare := func(repair bool, want connector.ComparedRows) {
		t.Helper()
		wantCompared(t, w.log.apply(t, w.s, w.log.compare(
			repair, event(1, waiting), event(2, over), event(3, timed(onHand("A", "L", 1), validUntil(10))),
			event(4, timed(onHand("A", "L", 5), validFrom(11))),
		)), want)
	}
	differ := connector.ComparedRows{Equal: 2, Different: 2}
	compare(false, differ)
	compare(true, differ)
	compare(false, connector.ComparedRows{Equal: 4})
	w.want(w.at(10), 2, 1, 11)
	wantTable(t, w.d, "levels", `select sku, location, on_hand from stock_level`, "A|L|5")
}

// testValidityMany: a step is bounded, and the earliest come first.
func testValidityMany(t *testing.T, create func(testing.TB) StoreDatabase) {
	w := newTimedStore(t, create)
	const rows = 10_500
	events := make([]inventory.Event, rows)
	for i := range events {
		events[i] = event(i, timed(onHand(fmt.Sprintf("S%d", i%50), "L", 1), validFrom(10-i/10_000)))
	}
	w.apply(w.log.commit(events...))
	first := w.at(20)
	if first.Contributions == 0 || first.Contributions >= rows || first.Next != second(10) {
		t.Errorf("the first step changed %+v, want a part of %d, and that there is more", first, rows)
	}
	if n := number(t, w.d, `select count(*) from contribution where due = $1`, second(9).Milliseconds()); n != 0 {
		t.Errorf("%d contributions wait that were due before others", n)
	}
	rest := elapse(t, w.s, "wms")
	w.want(rest, rows-first.Contributions, rest.Cells, 0)
	w.check()
}
