package stockstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/sinktest"
	"tailstock/sinks/stockstore"
)

// eachStore runs f with an empty store of each dialect.
func eachStore(t *testing.T, f func(*testing.T, sinktest.StoreDatabase, *stockstore.Store)) {
	t.Helper()
	for name, create := range map[string]func(testing.TB) sinktest.StoreDatabase{
		"sqlite":   newSQLite,
		"postgres": func(t testing.TB) sinktest.StoreDatabase { return &postgresDatabase{dsn: testenv.Database(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := create(t)
			s := d.Open(t).(*stockstore.Store)
			t.Cleanup(func() { _ = s.Close() })
			f(t, d, s)
		})
	}
}

const (
	comparedTable   = "wms.bin_stock"
	comparedMapping = inventory.MappingID("9f2c51d07a3b8e64")
)

var comparedFeed = inventory.FeedName{Table: comparedTable, Mapping: comparedMapping}

// comparedLog writes the log of a source whose only table is loaded.
type comparedLog struct {
	t    testing.TB
	s    *stockstore.Store
	at   inventory.Position
	next inventory.Position
}

func newComparedLog(t testing.TB, s *stockstore.Store) *comparedLog {
	l := &comparedLog{t: t, s: s, next: inventory.Position{Run: 1, Number: 1}}
	started := l.next
	l.apply(inventory.Message{LoadStarted: &inventory.LoadStarted{Feeds: []inventory.FeedName{comparedFeed}, Stores: []string{s.ID()}}})
	l.apply(inventory.Message{LoadCompleted: &inventory.LoadCompleted{Load: started}})
	return l
}

func (l *comparedLog) apply(m inventory.Message) connector.Applied {
	l.t.Helper()
	m.Source, m.Position, m.Previous = "wms", l.next, l.at
	applied, err := l.s.Apply(l.t.Context(), connector.Batch{
		Source: "wms", LogID: "log", Expect: l.at, Position: l.next, Messages: []connector.LogMessage{{Message: m}},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.at = l.next
	l.next.Number++
	return applied
}

// commit applies events, to be compared for a verification if that is not empty.
func (l *comparedLog) commit(verification string, events ...inventory.Event) {
	l.t.Helper()
	l.apply(inventory.Message{Commits: []inventory.Commit{{
		Transaction: "1", CommittedAt: time.Now(), Events: events, Last: true, Compare: verification,
	}}})
}

func comparedKey(i int) cdc.RowKey { return cdc.RowKey(fmt.Sprintf("[%d]", i)) }

func comparedEvent(op cdc.Op, row int, sku string, units int) inventory.Event {
	c := inventory.Contribution{Leg: "stock", SKU: inventory.SKU(sku), Location: "L"}
	c.Quantities[inventory.OnHand] = inventory.Quantity(units) * inventory.One
	return inventory.Event{Op: op, Table: comparedTable, Mapping: comparedMapping, Row: comparedKey(row), Contributions: []inventory.Contribution{c}}
}

func comparedProblem(row int) inventory.Event {
	e := comparedEvent(cdc.OpUpdate, row, "x", 0)
	e.Contributions, e.Problem = nil, &inventory.Problem{Kind: inventory.Rejected}
	return e
}

// rowKeys reads all pages for a verification.
func rowKeys(t *testing.T, s *stockstore.Store, verification string, feed inventory.FeedName) (keys []cdc.RowKey, pages int) {
	t.Helper()
	r := connector.KeysRequest{Verification: verification, Source: "wms", Feed: feed}
	for {
		page, err := s.RowKeys(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		keys = append(keys, page.Keys...)
		if page.Done {
			return keys, pages
		}
		if page.Last == r.After {
			t.Fatalf("page behind %q does not lead on", r.After)
		}
		r.After = page.Last
	}
}

// TestRowKeys: what was not compared is told, what was is not, and without a census
// everything is.
func TestRowKeys(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ sinktest.StoreDatabase, s *stockstore.Store) {
		log := newComparedLog(t, s)
		const rows = 25_000
		var stored, read []inventory.Event
		all := []cdc.RowKey{`[-1]`, `[-2]`}
		for i := range rows {
			stored = append(stored, comparedEvent(cdc.OpInsert, i, "A", 1))
			read = append(read, comparedEvent(cdc.OpRead, i, "A", 1+i%2))
			all = append(all, comparedKey(i))
		}
		slices.Sort(all)
		log.commit("", append(stored, comparedProblem(7), comparedProblem(-1), comparedProblem(-2))...)
		keys, pages := rowKeys(t, s, "v0", comparedFeed)
		if !slices.Equal(all, keys) || pages < 2 {
			t.Errorf("without a census %d keys in %d pages, want all %d in several", len(keys), pages, len(all))
		}
		// Neither [3] nor [-2] is compared; what is in their buckets may be told as well.
		read = slices.Delete(read, 3, 4)
		read[0].Op = cdc.OpRead
		problem := comparedProblem(-1)
		problem.Op = cdc.OpRead
		log.commit("v1", append(read, problem)...)
		log.commit("", comparedEvent(cdc.OpInsert, rows+1, "A", 1))
		keys, _ = rowKeys(t, s, "v1", comparedFeed)
		for _, want := range []cdc.RowKey{"[-2]", "[3]", comparedKey(rows + 1)} {
			if !slices.Contains(keys, want) {
				t.Errorf("%s is not told, only %q", want, keys)
			}
		}
		if len(keys) > 20 {
			t.Errorf("%d keys are told, want little more than the 3 that were not compared", len(keys))
		}
		if keys, _ = rowKeys(t, s, "v1", comparedFeed); len(keys) != rows+3 {
			t.Errorf("a census that was used up: %d keys, want all %d", len(keys), rows+3)
		}
		if keys, pages := rowKeys(t, s, "v1", inventory.FeedName{Table: comparedTable, Mapping: "other"}); len(keys) != 0 || pages != 1 {
			t.Errorf("another mapping: %d keys in %d pages, want none", len(keys), pages)
		}
	})
}

// TestCheckLevels finds cells that are not the sums of their contributions, over
// pages of many SKUs, and sets them right.
func TestCheckLevels(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, d sinktest.StoreDatabase, s *stockstore.Store) {
		log := newComparedLog(t, s)
		const rows = 45_000
		var events []inventory.Event
		for i := range rows {
			events = append(events, comparedEvent(cdc.OpInsert, i, fmt.Sprintf("S%05d", i%30_000), i))
		}
		log.commit("", events...)
		check := func(repair bool) (stockstore.CheckedLevels, []string) {
			t.Helper()
			var found []string
			checked, err := s.CheckLevels(t.Context(), "wms", repair, func(c stockstore.CellDrift) error {
				found = append(found, fmt.Sprint(c.SKU, " ", c.Table, " ", c.Counts, " ", c.Held.Contributions, " ", c.Held.Quantities[0], " ",
					c.Sum.Contributions, " ", c.Sum.Quantities[0]))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return checked, found
		}
		if got, found := check(false); got != (stockstore.CheckedLevels{Cells: 30_000}) {
			t.Fatalf("at first %+v %q, want 30,000 cells and nothing wrong", got, found)
		}
		for _, statement := range []string{
			`update cell set on_hand = on_hand + 500000 where sku = 'S00001'`,
			`delete from cell where sku = 'S20000'`,
			`update cell set contributions = 9 where sku = 'S29999'`,
			`update cell set sku = 'Z' where sku = 'S20001'`,
		} {
			if _, err := d.DB(t).ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{
			"S00001 wms.bin_stock true 2 30002.5 2 30002", "S20000 wms.bin_stock true 0 0 1 20000", "S20001 wms.bin_stock true 0 0 1 20001",
			"S29999 wms.bin_stock true 9 29999 1 29999", "Z wms.bin_stock true 1 20001 0 0",
		}
		for _, repair := range []bool{false, true} {
			got, found := check(repair)
			if diff := cmp.Diff(want, found); diff != "" || got.Drifted != int64(len(want)) {
				t.Errorf("repair %v: %+v (-want +got):\n%s", repair, got, diff)
			}
		}
		if got, found := check(false); got.Drifted != 0 {
			t.Errorf("after the repair %+v %q", got, found)
		}
		if got, err := s.Explain(t.Context(), "S00001"); err != nil || got.Levels[0].Quantities[0] != 30_002*inventory.One {
			t.Errorf("level %+v, %v", got.Levels, err)
		}
		stats, err := s.Stats(t.Context())
		if err != nil || stats.OutboxCells != 30_000+5+0 {
			t.Errorf("%d cells listed (%v), want those of the commit and the 5 repaired", stats.OutboxCells, err)
		}
	})
}
