package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// verify compares every row of the source with the store, and with Redis
// if levels were carried there.
func (b *bench) verify(ctx context.Context, d drain) error {
	if err := b.verifyStore(ctx); err != nil {
		return fmt.Errorf("compare store with source: %w", err)
	}
	if d.logOnly {
		return nil
	}
	if err := b.verifyCache(ctx, d.rows); err != nil {
		return fmt.Errorf("compare Redis with source: %w", err)
	}
	return nil
}

// level is a row of the source as the store should show it.
type level struct {
	sku, location     string
	onHand, committed int64
}

func (b *bench) verifyStore(ctx context.Context) error {
	store, err := pgx.Connect(ctx, b.store.DSN("stock"))
	if err != nil {
		return err
	}
	defer store.Close(ctx)
	want, err := b.source.db.QueryContext(ctx, b.source.levels) //nolint:rowserrcheck // compareLevels looks at it
	if err != nil {
		return err
	}
	defer want.Close()
	got, err := store.Query(ctx, `select sku, location, on_hand::bigint, committed::bigint
		from stock_level order by sku collate "C"`)
	if err != nil {
		return err
	}
	defer got.Close()
	return compareLevels(want, got)
}

// levelRows are the rows of a query, by either library.
type levelRows interface {
	Next() bool
	Scan(into ...any) error
	Err() error
}

// compareLevels compares two lists in the order of their SKUs.
func compareLevels(want, got levelRows) error {
	for n := 0; ; n++ {
		more, held := want.Next(), got.Next()
		if err := errors.Join(want.Err(), got.Err()); err != nil {
			return err
		}
		if !more && !held {
			if n == 0 {
				return errors.New("the source is empty")
			}
			return nil
		}
		var w, g level
		if more {
			if err := want.Scan(&w.sku, &w.location, &w.onHand, &w.committed); err != nil {
				return err
			}
		}
		if held {
			if err := got.Scan(&g.sku, &g.location, &g.onHand, &g.committed); err != nil {
				return err
			}
		}
		if w != g {
			return fmt.Errorf("row %d is %+v, want %+v", n+1, g, w)
		}
	}
}

// sumCache adds up, over the rows of a range of ids, their number and the product
// of id and available: a sum that a wrong, missing or exchanged number changes.
const sumCache = `
local found, sum = 0, 0
for id = tonumber(ARGV[1]), tonumber(ARGV[2]) do
	local held = redis.call('HMGET', 'stock:{BRK-' .. id .. '}', 'available:DC' .. id % 3, 'available')
	if held[1] and held[1] == held[2] then found, sum = found + 1, sum + id * tonumber(held[1]) end
end
return string.format('%d %.0f', found, sum)`

// sumStep bounds the ids of one call: a double holds their sum exactly.
const sumStep = 50_000

func (b *bench) verifyCache(ctx context.Context, rows int) error {
	for first := 1; first <= rows; first += sumStep {
		last := min(first+sumStep-1, rows)
		var found, sum int64
		if err := b.source.db.QueryRowContext(ctx, b.source.sums, first, last).Scan(&found, &sum); err != nil {
			return err
		}
		got, err := b.redis.Do(ctx, "EVAL", sumCache, "0", strconv.Itoa(first), strconv.Itoa(last))
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%d %d", found, sum); strings.TrimSpace(got) != want {
			return fmt.Errorf("rows %d to %d: number and sum are %q, want %q", first, last, got, want)
		}
	}
	return nil
}
