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
		if err := c.apply(ctx, from, next, pending[:n]); err != nil {
			return fmt.Errorf("apply %d levels: %w", len(levels), err)
		}
		pending = pending[n:]
	}
	return nil
}

// apply calls the script once.
func (c *Cache) apply(ctx context.Context, from, to connector.CachePlace, batch []skuLevels) error {
	replay := ""
	if from.Replay != 0 {
		replay = "1"
	}
	keys := append(make([]string, 0, 1+len(batch)), c.cfg.placeKey())
	args := append(make([]any, 0, 4+6*len(batch)), placeText(from), placeText(to), replay, c.cfg.Channel)
	for _, s := range batch {
		keys = append(keys, c.cfg.skuKey(s.sku))
		args = append(args, string(s.sku), len(s.levels))
		for _, l := range s.levels {
			args = append(args, "version:"+string(l.Location), "available:"+string(l.Location))
		}
		for _, l := range s.levels {
			available := ""
			if !l.Gone {
				available = l.Quantities.Available().String()
			}
			args = append(args, versionText(l.Version), available)
		}
	}
	reply, err := c.run(ctx, c.client, c.scripts.apply, from, keys, args)
	if err != nil {
		return err
	}
	n, err := counts(reply, 2)
	if err != nil {
		return err
	}
	c.metrics.stale.Add(float64(n[1]))
	return nil
}

// skuLevels are levels of one SKU, each of another location. There are never more
// than callLevels.
type skuLevels struct {
	sku    inventory.SKU
	levels []*inventory.LevelMessage
}

// groupBySKU sorts levels by SKU, in the order in which these appear. A SKU with too
// many appears again. Of several levels of a cell only the newest remains.
func groupBySKU(levels []inventory.LevelMessage) []skuLevels {
	groups := make([]skuLevels, 0, len(levels))
	type index struct{ group, level int }
	skus := make(map[inventory.SKU]int, len(levels))
	cells := make(map[inventory.Cell]index, len(levels))
	for i := range levels {
		l := &levels[i]
		if at, ok := cells[l.Cell]; ok {
			if held := &groups[at.group].levels[at.level]; l.Version.Compare((*held).Version) > 0 {
				*held = l
			}
			continue
		}
		at, ok := skus[l.SKU]
		if !ok || len(groups[at].levels) == callLevels {
			at = len(groups)
			skus[l.SKU] = at
			groups = append(groups, skuLevels{sku: l.SKU})
		}
		cells[l.Cell] = index{at, len(groups[at].levels)}
		groups[at].levels = append(groups[at].levels, l)
	}
	return groups
}

func (c Config) skuKey(sku inventory.SKU) string { return c.skuPrefix() + string(sku) + "}" }
