package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
	"tailstock/sinks/cache"
	"tailstock/sinks/stockstore"
)

// watched is what a consumer of the levels stream has seen. It is safe for
// concurrent use.
type watched struct {
	mu        sync.Mutex
	levels    map[inventory.Cell]inventory.Quantities
	latest    *inventory.Level
	measuring bool
	// published counts what came since measuring began.
	published int
	latencies []time.Duration
}

// maxLatencies bounds the measurements that are kept: later ones are not taken.
const maxLatencies = 1 << 20

func newWatched() *watched {
	return &watched{levels: make(map[inventory.Cell]inventory.Quantities)}
}

// watch follows the levels until ctx ends.
func (w *watched) watch(ctx context.Context, client *natslog.Client) error {
	for {
		err := client.WatchLevels(ctx, natslog.LevelFilter{}, w.take)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to stop
		case !errors.Is(err, connector.ErrNoLog):
			return err
		}
		if err := pause(ctx); err != nil {
			return nil //nolint:nilerr // told to stop
		}
	}
}

func (w *watched) take(m inventory.LevelMessage) error {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Quantities == (inventory.Quantities{}) {
		delete(w.levels, m.Cell)
	} else {
		w.levels[m.Cell] = m.Quantities
	}
	if !w.measuring || m.CommittedAt.IsZero() {
		return nil
	}
	w.latest = &m.Level
	w.published++
	// MariaDB's log has commits by the second, of which no delay can be told.
	if m.Source != demoWarehouse && len(w.latencies) < maxLatencies {
		w.latencies = append(w.latencies, now.Sub(m.CommittedAt))
	}
	return nil
}

// measure begins to measure: what was seen so far came as fast as it could.
func (w *watched) measure() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.measuring = true
}

type watchedSummary struct {
	published int
	p50, p99  time.Duration
	latest    *inventory.Level
}

func (w *watched) summary() watchedSummary {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := watchedSummary{published: w.published, latest: w.latest}
	if n := len(w.latencies); n > 0 {
		sorted := slices.Clone(w.latencies)
		slices.Sort(sorted)
		s.p50, s.p99 = sorted[n/2], sorted[n*99/100]
	}
	return s
}

// differences lists up to ten cells that differ from want.
func (w *watched) differences(want map[inventory.Cell]inventory.Quantities) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return differences(want, w.levels)
}

func differences(want, got map[inventory.Cell]inventory.Quantities) []string {
	cells := make(map[inventory.Cell]bool)
	for c, q := range want {
		cells[c] = q != got[c]
	}
	for c, q := range got {
		cells[c] = q != want[c]
	}
	var out []string
	for c, differs := range cells {
		if differs {
			out = append(out, fmt.Sprintf("%s at %s: source %s, level %s", c.SKU, c.Location, nonZero(want[c]), nonZero(got[c])))
		}
	}
	slices.Sort(out)
	if len(out) > 10 {
		out = append(out[:10], fmt.Sprintf("and %d more", len(out)-10))
	}
	return out
}

// agree waits until the levels that were published are those of the sources' rows,
// and returns how many there are. Nobody may work meanwhile.
func (p *playground) agree(ctx context.Context, seen *watched) (int, error) {
	want, err := p.levels(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, demoAgreeLimit)
	defer cancel()
	for {
		wrong := seen.differences(want)
		if len(wrong) == 0 {
			return len(want), nil
		}
		if err := pause(ctx); err != nil {
			return 0, fmt.Errorf("levels and source do not agree (%w):\n%s", err, strings.Join(wrong, "\n"))
		}
	}
}

// compareSinks compares the stock store and the cache themselves with the sources.
func (p *playground) compareSinks(ctx context.Context) error {
	want, err := p.levels(ctx)
	if err != nil {
		return err
	}
	skus := make(map[inventory.SKU]bool)
	for c := range want {
		skus[c.SKU] = true
	}
	names := slices.Sorted(maps.Keys(skus))
	if err := p.compareStore(ctx, want, names); err != nil {
		return err
	}
	if p.cfg.Cache == nil {
		return nil
	}
	return p.compareCache(ctx, want, names)
}

func (p *playground) compareStore(ctx context.Context, want map[inventory.Cell]inventory.Quantities, skus []inventory.SKU) error {
	cfg := *p.cfg.Store
	cfg.Existing = true
	store, err := stockstore.Open(ctx, cfg, nil, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	got := make(map[inventory.Cell]inventory.Quantities)
	for _, sku := range skus {
		levels, err := store.Levels(ctx, sku)
		if err != nil {
			return err
		}
		for i := range levels {
			if levels[i].Quantities != (inventory.Quantities{}) {
				got[levels[i].Cell] = levels[i].Quantities
			}
		}
	}
	if wrong := differences(want, got); len(wrong) > 0 {
		return fmt.Errorf("stock store and source do not agree:\n%s", strings.Join(wrong, "\n"))
	}
	return nil
}

func (p *playground) compareCache(ctx context.Context, want map[inventory.Cell]inventory.Quantities, skus []inventory.SKU) error {
	c, err := cache.New(*p.cfg.Cache, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, demoAgreeLimit)
	defer cancel()
	for {
		wrong, err := cacheDifferences(ctx, c, want, skus)
		if err != nil {
			return err
		}
		if len(wrong) == 0 {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("cache and source do not agree (%w):\n%s", err, strings.Join(wrong, "\n"))
		}
	}
}

// cacheDifferences lists cells whose available number in the cache is not the sources'.
func cacheDifferences(
	ctx context.Context, c *cache.Cache, want map[inventory.Cell]inventory.Quantities, skus []inventory.SKU,
) ([]string, error) {
	var wrong []string
	held := make(map[inventory.SKU]cache.Stock, len(skus))
	for _, sku := range skus {
		stock, err := c.Stock(ctx, sku)
		if err != nil {
			return nil, err
		}
		held[sku] = stock
	}
	for cell, q := range want {
		if got := held[cell.SKU].Locations[cell.Location].Available; got != q.Available().String() {
			wrong = append(wrong, fmt.Sprintf("%s at %s: source %s, cache %q", cell.SKU, cell.Location, q.Available(), got))
		}
	}
	return wrong, nil
}
