package cache

import (
	"context"
	"fmt"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// callLevels bounds the levels of one call of the script, and with them its keys
// and arguments.
const callLevels = 1_000

// Apply implements connector.Cache. Levels beyond what one call of the script may
// take are applied in several; the place moves with the last. When one of those
// fails, the levels before it stay, which a repetition does not mind.
func (c *Cache) Apply(ctx context.Context, from, to connector.CachePlace, levels []inventory.LevelMessage) error {
	pending := groupBySKU(levels)
	for first := true; first || len(pending) > 0; first = false {
		n, count := 0, 0
		for n < len(pending) && (n == 0 || count+len(pending[n].levels) <= callLevels) {
			count += len(pending[n].levels)
			n++
		}
		next := from
		if n == len(pending) {
			next = to
		}
		done, err := c.apply(ctx, from, next, pending[:n])
		if err != nil {
			return fmt.Errorf("apply %d levels: %w", len(levels), err)
		}
		pending = pending[done:]
	}
	return nil
}

// apply calls the script once and returns how many SKUs it has done: at least one.
func (c *Cache) apply(ctx context.Context, from, to connector.CachePlace, batch []skuLevels) (int, error) {
	replay := ""
	if from.Replay != 0 {
		replay = "1"
	}
	keys := append(make([]string, 0, 1+len(batch)), c.cfg.placeKey())
	args := append(make([]any, 0, 5+6*len(batch)), placeText(from), placeText(to), replay, c.cfg.Channel, fieldBudget)
	for _, s := range batch {
		keys = append(keys, c.cfg.skuKey(s.sku))
		args = append(args, string(s.sku), len(s.levels))
		for _, l := range s.levels {
			available := ""
			if !l.Gone {
				available = l.Quantities.Available().String()
			}
			args = append(args, string(l.Location), versionText(l.Version), available)
		}
	}
	reply, err := c.run(ctx, c.client, c.scripts.apply, from, keys, args)
	if err != nil {
		return 0, err
	}
	n, err := counts(reply, 3)
	if err != nil {
		return 0, err
	}
	c.metrics.stale.Add(float64(n[2]))
	return n[0], nil
}

// skuLevels are levels of one SKU, in order. There are never more than callLevels.
type skuLevels struct {
	sku    inventory.SKU
	levels []*inventory.LevelMessage
}

// groupBySKU sorts levels by SKU, in the order in which these appear. A SKU with
// too many appears again.
func groupBySKU(levels []inventory.LevelMessage) []skuLevels {
	groups := make([]skuLevels, 0, len(levels))
	index := make(map[inventory.SKU]int, len(levels))
	for i := range levels {
		l := &levels[i]
		at, ok := index[l.SKU]
		if !ok || len(groups[at].levels) == callLevels {
			at = len(groups)
			index[l.SKU] = at
			groups = append(groups, skuLevels{sku: l.SKU})
		}
		groups[at].levels = append(groups[at].levels, l)
	}
	return groups
}

func (c Config) skuKey(sku inventory.SKU) string { return c.skuPrefix() + string(sku) + "}" }
