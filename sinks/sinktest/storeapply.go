package sinktest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// equal compares what two applies say.
func equal(a, b connector.Applied) bool { return cmp.Equal(a, b) }

func isFenced(err error) bool { return errors.Is(err, connector.ErrFenced) }

// contributionsOf, cellsOf and problemsOf read the tables as people would.
const (
	contributionsOf = `select row_key, leg, sku, location, on_hand / 1000000, committed / 1000000, number, transaction_id
		from contribution order by row_key, leg, feed`
	cellsOf = `select sku, location, contributions, on_hand / 1000000, committed / 1000000, transaction_id
		from cell order by sku, location, feed`
	problemsOf = `select row_key, kind, rule, reason, number, transaction_id from problem order by feed, row_key`
	feedsOf    = `select source, table_name, mapping, state from feed order by id`
)

func wantTable(t testing.TB, d StoreDatabase, what, query string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, table(t, d, query)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func testIdentity(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	one, two, other := open(t, d), open(t, d), open(t, create(t))
	if len(one.ID()) < 8 || one.ID() != two.ID() || one.ID() == other.ID() {
		t.Errorf("ids %q and %q of one store, %q of another", one.ID(), two.ID(), other.ID())
	}
}

func testFence(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	state, err := s.SourceState(t.Context(), "wms")
	if diff := cmp.Diff(connector.SourceState{}, state); err != nil || diff != "" {
		t.Errorf("state of an unknown source: %v %s", err, diff)
	}
	first := log.commit(event(1, onHand("A", "L", 5)))
	if applied := log.apply(t, s, first); !equal(applied, connector.Applied{Events: 1, Contributions: 1, Cells: 1}) {
		t.Errorf("applied %+v", applied)
	}
	second := log.commit(event(1, onHand("A", "L", 6)))
	good := log.batch(second)
	for name, change := range map[string]func(*connector.Batch){
		"behind":      func(b *connector.Batch) { b.Expect = inventory.Position{} },
		"ahead":       func(b *connector.Batch) { b.Expect = b.Position; b.Position.Number++ },
		"other log":   func(b *connector.Batch) { b.LogID = "another" },
		"no log":      func(b *connector.Batch) { b.LogID = "" },
		"not forward": func(b *connector.Batch) { b.Position = b.Expect },
		"other source": func(b *connector.Batch) {
			b.Source = "erp" // whose position is zero
		},
	} {
		b := good
		change(&b)
		if applied, err := s.Apply(t.Context(), b); !isFenced(err) || !equal(applied, connector.Applied{}) {
			t.Errorf("%s: applied %+v, %v; want it fenced", name, applied, err)
		}
	}
	wantTable(t, d, "contributions", contributionsOf, "[1]|stock|A|L|5|0|1|701")
	log.apply(t, s, second)
	state, err = s.SourceState(t.Context(), "wms")
	want := connector.SourceState{LogID: log.id, Position: log.at, Feeds: []connector.FeedReport{{
		FeedName: inventory.FeedName{Table: binTable, Mapping: binMapping}, State: connector.FeedActive,
	}}}
	if diff := cmp.Diff(want, state); err != nil || diff != "" {
		t.Errorf("state: %v %s", err, diff)
	}
}

// testForeignLog: position zero of a log that the store knows is not a new store.
func testForeignLog(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	anew := newStoreLog("wms")
	anew.id = "log-2"
	if _, err := anew.try(t.Context(), s, anew.commit(event(2, onHand("B", "L", 5)))); !isFenced(err) {
		t.Errorf("a log from its beginning, for a store that knows another: %v", err)
	}
}

// testZombie: two workers of one source; each position is applied by one of them.
func testZombie(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	stores := []StockStore{open(t, d), open(t, d)}
	log := newStoreLog("wms")
	for i := range 20 {
		if i == 0 {
			if err := log.open(t.Context(), stores[0]); err != nil {
				t.Fatal(err)
			}
		}
		b := log.batch(log.commit(event(1, onHand("A", "L", int64(i)))))
		errs := make(chan error, len(stores))
		for _, s := range stores {
			go func() {
				_, err := s.Apply(t.Context(), b)
				errs <- err
			}()
		}
		one, two := <-errs, <-errs
		if (one == nil) == (two == nil) || (!isFenced(one) && !isFenced(two)) {
			t.Fatalf("two workers apply one batch: %v and %v; want one fenced", one, two)
		}
		log.at = b.Position
	}
	wantTable(t, d, "cells", cellsOf, "A|L|1|19|0|720")
}

// testRedelivery: after a lost tail the same commits come again at new positions.
func testRedelivery(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	events := []inventory.Event{event(1, onHand("A", "L", 5)), event(2, onHand("A", "L", 3)), event(3)}
	log.apply(t, s, log.commit(events...))
	r := newStoreRelay(t, s, false)
	r.publish(t)
	before := table(t, d, contributionsOf)
	if applied := log.apply(t, s, log.commit(events...)); applied.Contributions != 0 || applied.Cells != 0 {
		t.Errorf("what the store has, applied again: %+v", applied)
	}
	wantTable(t, d, "contributions, with the commit that changed them", contributionsOf, before...)
	settled(t, d)
}

func testFold(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	applied := log.apply(t, s,
		log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("B", "L", 5))),
		log.commit(event(1, onHand("A", "L", 9)), event(2)),
		log.commit(event(3, onHand("B", "L", 1)), event(4, onHand("B", "L", -1))))
	if applied.Events != 6 || applied.Contributions != 3 || applied.Cells != 2 {
		t.Errorf("applied %+v", applied)
	}
	wantTable(t, d, "contributions", contributionsOf,
		"[1]|stock|A|L|9|0|2|702", "[3]|stock|B|L|1|0|3|703", "[4]|stock|B|L|-1|0|3|703")
	wantTable(t, d, "cells", cellsOf, "A|L|1|9|0|702", "B|L|2|0|0|703")

	// Between two rows of a cell nothing changes on balance: nobody hears of it.
	newStoreRelay(t, s, false).publish(t)
	applied = log.apply(t, s, log.commit(event(3, onHand("B", "L", 4)), event(4, onHand("B", "L", -4))))
	if applied.Contributions != 2 || applied.Cells != 0 {
		t.Errorf("applied %+v", applied)
	}
	settled(t, d)
}

func testLegs(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("erp")
	from, to := onHand("A", "DC1", -4), onHand("A", "DC2", 4)
	from.Leg, to.Leg = "from", "to"
	log.apply(t, s, log.commit(event(1, from, to)))
	wantTable(t, d, "contributions", contributionsOf, "[1]|from|A|DC1|-4|0|1|701", "[1]|to|A|DC2|4|0|1|701")
	to.Location = "DC3"
	third := onHand("A", "DC1", 1)
	third.Leg = "third"
	log.apply(t, s, log.commit(event(1, to, third)))
	wantTable(t, d, "contributions", contributionsOf, "[1]|third|A|DC1|1|0|2|702", "[1]|to|A|DC3|4|0|2|702")
	wantTable(t, d, "cells", cellsOf, "A|DC1|1|1|0|702", "A|DC2|0|0|0|702", "A|DC3|1|4|0|702")
	r := newStoreRelay(t, s, false)
	r.publish(t)
	if r.onHand("A", "DC1") != "1" || r.onHand("A", "DC2") != "gone" || r.onHand("A", "DC3") != "4" {
		t.Errorf("published %v", r.levels)
	}
	log.apply(t, s, log.commit(event(1)))
	wantTable(t, d, "contributions", contributionsOf)
	r.publish(t)
	if r.onHand("A", "DC1") != "gone" || r.onHand("A", "DC3") != "gone" {
		t.Errorf("published %v", r.levels)
	}
}

func testProblems(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("A", "L", 2)), problem(3, "first")))
	wantTable(t, d, "problems", problemsOf, "[3]|rejected|contributes[0].on_hand|first|1|701")

	// The last good event counts, the problem after it marks the row.
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 6))), log.commit(problem(1, "odd"), problem(2, "odd"), problem(3, "second")))
	wantTable(t, d, "problems", problemsOf,
		"[1]|rejected|contributes[0].on_hand|odd|3|703", "[2]|rejected|contributes[0].on_hand|odd|3|703",
		"[3]|rejected|contributes[0].on_hand|second|3|703")
	wantTable(t, d, "contributions", contributionsOf, "[1]|stock|A|L|6|0|2|702", "[2]|stock|A|L|2|0|1|701")

	// A good event clears the mark, also when it says what is stored; so does a delete.
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 6)), event(2)), log.commit(event(9, onHand("B", "L", 1))))
	wantTable(t, d, "problems", problemsOf, "[3]|rejected|contributes[0].on_hand|second|3|703")
	wantTable(t, d, "contributions", contributionsOf, "[1]|stock|A|L|6|0|2|702", "[9]|stock|B|L|1|0|5|705")
	log.apply(t, s, log.commit(problem(3, "third"), event(3)))
	wantTable(t, d, "problems", problemsOf)
}

func testFeeds(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	bins := inventory.FeedName{Table: binTable, Mapping: binMapping}
	orders := inventory.FeedName{Table: orderTable, Mapping: otherMapping}
	newStoreRelay(t, s, false)
	log.apply(t, s, log.feeds(bins))
	wantTable(t, d, "feeds", feedsOf, "wms|wms.bin_stock|9f2c51d07a3b8e64|active")
	applied := log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))), log.feeds(orders))
	wantTable(t, d, "feeds", feedsOf, "wms|wms.bin_stock|9f2c51d07a3b8e64|stale")
	stale := []connector.FeedReport{{FeedName: bins, State: connector.FeedStale}}
	if diff := cmp.Diff(stale, applied.Feeds); diff != "" {
		t.Errorf("feeds of the apply (-want +got):\n%s", diff)
	}

	// A stale feed counts on, takes events, and stays stale when it is listed again.
	applied = log.apply(t, s, log.feeds(bins, orders), log.commit(event(1, onHand("A", "L", 6))))
	wantTable(t, d, "feeds", feedsOf, "wms|wms.bin_stock|9f2c51d07a3b8e64|stale")
	wantTable(t, d, "levels", `select sku, location from stock_level`, "A|L")
	if applied.Feeds != nil {
		t.Errorf("an apply that changed no feed reports %v", applied.Feeds)
	}
	state, err := s.SourceState(t.Context(), "wms")
	if diff := cmp.Diff(stale, state.Feeds); err != nil || diff != "" {
		t.Errorf("reported feeds: %v %s", err, diff)
	}

	// Events of a table that was never loaded are nobody's.
	unknown, other := event(1, onHand("B", "L", 1)), event(1, onHand("C", "L", 1))
	unknown.Table, other.Mapping = orderTable, otherMapping
	if applied := log.apply(t, s, log.commit(unknown, other)); applied.Contributions != 0 || applied.Events != 2 {
		t.Errorf("events that nobody takes: %+v", applied)
	}

	// The same table of another source is another feed.
	erp := newStoreLog("erp")
	erp.apply(t, s, erp.feeds(bins))
	if n := number(t, d, `select count(*) from feed where source = 'erp' and state = 'active'`); n != 1 {
		t.Errorf("%d feeds of another source", n)
	}
}

func testViews(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	full := inventory.Contribution{Leg: "stock", SKU: "A", Location: "DC1", Quantities: inventory.Quantities{
		12_500_000, 3_000_000, 1, 2_250_000, 7_000_000,
	}}
	log.apply(t, s, log.commit(event(1, full), event(2, onHand("A", "DC2", -3)), event(3, onHand("B", "DC1", 0)),
		event(4, onHand("C", "DC1", 1))), log.commit(event(4)))
	for _, view := range []string{"stock_level", "stock_available"} {
		if n := number(t, d, `select count(*) from `+view); n != 0 {
			t.Errorf("%s has %d rows before anything was published", view, n)
		}
	}
	newStoreRelay(t, s, false)
	query := func(columns, view string) []string {
		return table(t, d, `select `+columns+` from `+view+` order by 1, 2`)
	}
	want := []string{"A|DC1|12.5|3|0.000001|2.25|7|7.249999", "A|DC2|-3|0|0|0|0|-3", "B|DC1|0|0|0|0|0|0"}
	got := query("sku, location, on_hand, committed, unavailable, safety_stock, incoming, available", "stock_level")
	if diff := cmp.Diff(want, plainNumbers(t, got)); diff != "" {
		t.Errorf("stock_level (-want +got):\n%s", diff)
	}
	want = []string{"A|4.249999|7.249999|2", "B|0|0|1"}
	if diff := cmp.Diff(want, plainNumbers(t, query("sku, available, sellable, locations", "stock_available"))); diff != "" {
		t.Errorf("stock_available (-want +got):\n%s", diff)
	}
	if n := number(t, d, `select count(*) from stock_available where available > 4 and sellable >= 7`); n != 1 {
		t.Errorf("%d rows by comparing numbers, want 1", n)
	}
	for _, view := range []string{"stock_level", "stock_available"} {
		if at := table(t, d, `select updated_at from `+view+` where sku = 'A'`)[0]; !strings.HasPrefix(at, "20") || !strings.Contains(at, "T") {
			t.Errorf("%s changed at %q", view, at)
		}
	}
}

// plainNumbers writes the numbers in rows, as drivers return them, in plain form.
func plainNumbers(t testing.TB, rows []string) []string {
	t.Helper()
	out := make([]string, len(rows))
	for i, row := range rows {
		fields := strings.Split(row, "|")
		for j, f := range fields {
			if q, err := inventory.ParseQuantity(f); err == nil {
				fields[j] = q.String()
			}
		}
		out[i] = strings.Join(fields, "|")
	}
	return out
}

// testLimits applies the largest names, keys and quantities that the log may carry.
func testLimits(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	c := inventory.Contribution{
		Leg: strings.Repeat("l", inventory.MaxName), SKU: inventory.SKU(strings.Repeat("é", inventory.MaxName/2)),
		Location: inventory.LocationID(strings.Repeat("'|\\\"", inventory.MaxName/4)),
	}
	for k := range c.Quantities {
		c.Quantities[k] = inventory.MaxQuantity - 1
	}
	e := event(1, c)
	e.Row = e.Row[:0]
	for len(e.Row) < 512 {
		e.Row += "\x7f"
	}
	bad := problem(2, strings.Repeat("reason ", 5_000))
	log.apply(t, s, log.commit(e, bad))
	r := newStoreRelay(t, s, false)
	r.publish(t)
	if diff := cmp.Diff(c.Quantities, r.levels[inventory.Cell{SKU: c.SKU, Location: c.Location}].Quantities); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	c.Quantities[inventory.OnHand] = -c.Quantities[inventory.OnHand]
	e.Contributions = []inventory.Contribution{c}
	log.apply(t, s, log.commit(e))
	r.publish(t)
	if got := r.levels[inventory.Cell{SKU: c.SKU, Location: c.Location}].Quantities; got != c.Quantities {
		t.Errorf("published %v, want %v", got, c.Quantities)
	}
}

// testSumOutOfRange: sums of more contributions than an int64 holds are an
// error, whether they meet in one batch or in the store; never a wrong number.
func testSumOutOfRange(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	most := onHand("A", "L", 0)
	most.Quantities[inventory.OnHand] = inventory.MaxQuantity - 1
	row := 0
	rows := func(n int) connector.LogMessage {
		events := make([]inventory.Event, n)
		for i := range events {
			row++
			events[i] = event(row, most)
		}
		return log.commit(events...)
	}
	if _, err := log.try(t.Context(), s, rows(9_300)); err == nil {
		t.Error("9,300 contributions at the bound were added up")
	}
	log.apply(t, s, rows(5_000))
	if _, err := log.try(t.Context(), s, rows(4_300)); err == nil {
		t.Error("4,300 contributions at the bound were added to 5,000")
	}
	if n := number(t, d, `select count(*) from contribution`); n != 5_000 {
		t.Errorf("%d contributions, want those of the one batch that fits", n)
	}
}

func testLargeBatch(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	const rows = 12_500 // two slices and a half
	messages := make([]connector.LogMessage, 0, 2*rows/500)
	for version := range 2 {
		for first := 0; first < rows; first += 500 {
			events := make([]inventory.Event, 500)
			for i := range events {
				row := first + i
				events[i] = event(row, onHand(fmt.Sprintf("S%d", row/2), "L", int64(row+version)))
			}
			messages = append(messages, log.commit(events...))
		}
	}
	newStoreRelay(t, s, false)
	applied := log.apply(t, s, messages...)
	if want := (connector.Applied{Events: 2 * rows, Contributions: rows, Cells: rows / 2}); !equal(applied, want) {
		t.Errorf("applied %+v, want %+v", applied, want)
	}
	for query, want := range map[string]int{
		`select count(*) from contribution`:                       rows,
		`select count(*) from cell where contributions = 2`:       rows / 2,
		`select cast(sum(on_hand) as bigint) / 1000000 from cell`: rows*(rows-1)/2 + rows,
		`select max(size) from outbox`:                            1_000,
		`select sum(size) from outbox`:                            rows / 2,
		`select count(*) from stock_level where on_hand = 3`:      1,
		`select on_hand from stock_level where sku = 'S6249'`:     2*(rows-1) + 1,
		`select count(distinct transaction_id) from contribution`: rows / 500,
	} {
		if got := number(t, d, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	r := newStoreRelay(t, s, false)
	if n := r.publish(t); n != rows/2 {
		t.Errorf("%d levels for %d cells", n, rows/2)
	}
}
