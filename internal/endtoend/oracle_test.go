package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/sinks/cache"
)

// numbers are a level's quantities as text: on hand, committed, unavailable.
type numbers [3]string

// contribution is one row's, of the source as mapped by SQL or of the store.
type contribution struct {
	Table, Row, SKU, Location      string
	OnHand, Committed, Unavailable string
}

// Rows that contribute nothing but zeros may be kept or not.
const contributionsOf = `
select table_name, row_key, sku, location, trim_scale(on_hand)::text, trim_scale(committed)::text, trim_scale(unavailable)::text
from (%s) c where on_hand <> 0 or committed <> 0 or unavailable <> 0
order by table_name collate "C", row_key collate "C", sku collate "C", location collate "C"`

const storeContributions = `
select f.table_name, c.row_key, c.sku, c.location, c.on_hand * 0.000001 as on_hand, c.committed * 0.000001 as committed,
	c.unavailable * 0.000001 as unavailable
from contribution c join feed f on f.id = c.feed where f.state = 'active'`

const levelsOf = `
select sku, location, trim_scale(sum(on_hand))::text, trim_scale(sum(committed))::text, trim_scale(sum(unavailable))::text
from (%s) c group by sku, location`

func contributions(ctx context.Context, dsn, of string) ([]contribution, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, fmt.Sprintf(contributionsOf, of))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[contribution])
}

// levels runs a query that gives sku, location and three quantities, and leaves
// out what is zero throughout.
func levels(ctx context.Context, dsn, query string) (map[inventory.Cell]numbers, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	out := make(map[inventory.Cell]numbers)
	var cell inventory.Cell
	var n numbers
	_, err = pgx.ForEachRow(rows, []any{&cell.SKU, &cell.Location, &n[0], &n[1], &n[2]}, func() error {
		if n != (numbers{"0", "0", "0"}) {
			out[cell] = n
		}
		return nil
	})
	return out, err
}

const storeLevels = `select sku, location, on_hand::text, committed::text, unavailable::text from stock_level`

// streamLevels reads the levels stream as a new consumer would.
func (s *system) streamLevels(ctx context.Context) (map[inventory.Cell]inventory.Level, error) {
	c, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, err := c.OpenLevels(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tail, err := r.Tail(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.Seek(ctx, 0); err != nil {
		return nil, err
	}
	out := make(map[inventory.Cell]inventory.Level)
	for at := uint64(0); at < tail.Sequence; {
		messages, err := r.Next(ctx, 1000, 5*time.Second)
		if err != nil {
			return nil, err
		}
		if len(messages) == 0 {
			return nil, fmt.Errorf("the stream ends at %d, not at %d", at, tail.Sequence)
		}
		for i := range messages {
			at = messages[i].Version.Sequence
			out[messages[i].Cell] = messages[i].Level
		}
	}
	return out, nil
}

// numbersOf are the published quantities of cells that are not gone.
func numbersOf(levels map[inventory.Cell]inventory.Level) map[inventory.Cell]numbers {
	out := make(map[inventory.Cell]numbers)
	for cell, l := range levels {
		q := l.Quantities
		if !q.IsZero() {
			out[cell] = numbers{q[inventory.OnHand].String(), q[inventory.Committed].String(), q[inventory.Unavailable].String()}
		}
	}
	return out
}

// truth computes from the source's rows what every row contributes, and the levels.
func (s *system) truth(ctx context.Context) ([]contribution, map[inventory.Cell]numbers, error) {
	if s.mariadb != nil {
		return mariaTruth(ctx, s.mariadb.DSN("erp"))
	}
	rows, err := contributions(ctx, s.erp.DSN("postgres"), erpContributions)
	if err != nil {
		return nil, nil, err
	}
	want, err := levels(ctx, s.erp.DSN("postgres"), fmt.Sprintf(levelsOf, erpContributions))
	return rows, want, err
}

// agreement compares everything with the source's rows, which must be at rest. It
// returns what differs, empty if nothing does.
func (s *system) agreement(ctx context.Context) (string, error) {
	rows, want, err := s.truth(ctx)
	if err != nil {
		return "", err
	}
	stored, err := contributions(ctx, s.storeDSN(), storeContributions)
	if err != nil {
		return "", err
	}
	if diff := cmp.Diff(rows, stored); diff != "" {
		return "contributions (-source +store):\n" + diff, nil
	}
	got, err := levels(ctx, s.storeDSN(), storeLevels)
	if err != nil {
		return "", err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return "levels (-source +store):\n" + diff, nil
	}
	published, err := s.streamLevels(ctx)
	if errors.Is(err, connector.ErrNoLog) {
		return "no level was published", nil
	}
	if err != nil {
		return "", err
	}
	if diff := cmp.Diff(want, numbersOf(published)); diff != "" {
		return "levels (-source +stream):\n" + diff, nil
	}
	return s.cacheAgreement(ctx, published)
}

// cacheAgreement compares the cache with what was published.
func (s *system) cacheAgreement(ctx context.Context, published map[inventory.Cell]inventory.Level) (string, error) {
	want := make(map[inventory.SKU]cache.Stock)
	available, sellable := make(map[inventory.SKU]inventory.Quantity), make(map[inventory.SKU]inventory.Quantity)
	for cell, l := range published {
		stock, ok := want[cell.SKU]
		if !ok {
			stock.Locations = make(map[inventory.LocationID]cache.LocationStock)
		}
		at := cache.LocationStock{Version: l.Version}
		if !l.Gone {
			n := l.Quantities.Available()
			at.Available = n.String()
			available[cell.SKU] += n
			sellable[cell.SKU] += max(0, n)
			stock.Available, stock.Sellable = available[cell.SKU].String(), sellable[cell.SKU].String()
		}
		stock.Locations[cell.Location] = at
		want[cell.SKU] = stock
	}
	got, err := s.cached(ctx, slices.Collect(maps.Keys(want)))
	if err != nil {
		return "", err
	}
	// Of a cell that a new stream does not know, the cache keeps the version alone.
	for sku, stock := range got {
		maps.DeleteFunc(stock.Locations, func(at inventory.LocationID, held cache.LocationStock) bool {
			_, known := want[sku].Locations[at]
			return !known && held.Available == ""
		})
		if _, known := want[sku]; !known && len(stock.Locations) == 0 && stock.Available == "" {
			delete(got, sku)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return "levels (-stream +cache):\n" + diff, nil
	}
	return "", nil
}

// cached reads the given SKUs, and those that the cache has beside them.
func (s *system) cached(ctx context.Context, skus []inventory.SKU) (map[inventory.SKU]cache.Stock, error) {
	c, err := cache.New(cache.Config{URL: s.redis.URL()}, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := make(map[inventory.SKU]cache.Stock)
	for _, sku := range skus {
		if out[sku], err = c.Stock(ctx, sku); err != nil {
			return nil, err
		}
	}
	o, err := redis.ParseURL(s.redis.URL())
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(o)
	defer client.Close()
	keys, err := client.Keys(ctx, "stock:{*}").Result()
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		sku := inventory.SKU(key[len("stock:{") : len(key)-1])
		if _, ok := out[sku]; ok {
			continue
		}
		if out[sku], err = c.Stock(ctx, sku); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// awaitAgreement waits until store, stream and cache say what the source's rows
// say. alive are processes that must not end meanwhile.
func (s *system) awaitAgreement(t *testing.T, alive ...*process) {
	t.Helper()
	var diff string
	recent := func() string {
		all := s.readiness(t)
		for _, p := range alive {
			all += "\noutput of process " + fmt.Sprint(p.cmd.Process.Pid) + ":\n" + p.recent()
		}
		return all
	}
	eventually(t, func() bool {
		for _, p := range alive {
			if p.dead() {
				t.Fatalf("tailstock ended:\n%s", p.recent())
			}
		}
		var err error
		if diff, err = s.agreement(t.Context()); err != nil {
			diff = err.Error()
		}
		return diff == ""
	}, func() string { return "no agreement: " + diff + recent() })
}
