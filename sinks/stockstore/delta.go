package stockstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/inventory"
)

// errSum is returned when a sum of quantities does not fit an int64.
var errSum = errors.New("sum out of range")

// cellKey names a cell of a feed.
type cellKey struct {
	feed int32
	inventory.Cell
}

// cellDelta is by how much a batch changes a cell of a feed.
type cellDelta struct {
	cellKey
	quantities    inventory.Quantities
	contributions int64
	// cause is the latest commit that changed the cell.
	cause int32
}

func (d *cellDelta) zero() bool { return d.contributions == 0 && d.quantities.IsZero() }

// deltas nets the changes of a batch per cell of a feed.
type deltas struct {
	index map[cellKey]int32
	list  []cellDelta
}

func newDeltas(size int) *deltas { return &deltas{index: make(map[cellKey]int32, size)} }

// add counts n more contributions, of q in total, into a cell. It fails if a
// sum overflows, as only thousands of contributions at the bound can.
func (d *deltas) add(feed int32, c *inventory.Contribution, q inventory.Quantities, n int64, cause int32) error {
	key := cellKey{feed, inventory.Cell{SKU: c.SKU, Location: c.Location}}
	i, ok := d.index[key]
	if !ok {
		i = int32(len(d.list)) //nolint:gosec // far fewer cells than that fit in memory
		d.index[key] = i
		d.list = append(d.list, cellDelta{cellKey: key, cause: cause})
	}
	cell := &d.list[i]
	cell.contributions += n
	cell.cause = max(cell.cause, cause)
	for k := range q {
		sum := cell.quantities[k] + q[k]
		if (sum > cell.quantities[k]) != (q[k] > 0) && q[k] != 0 {
			return fmt.Errorf("%s of %s at %s: %w", inventory.Kind(k), c.SKU, c.Location, errSum)
		}
		cell.quantities[k] = sum
	}
	return nil
}

// changed removes the cells that net to no change and returns the others, in the
// order of their keys.
func (d *deltas) changed() []cellDelta {
	kept := slices.DeleteFunc(d.list, func(c cellDelta) bool { return c.zero() })
	slices.SortFunc(kept, func(a, b cellDelta) int {
		if c := strings.Compare(string(a.SKU), string(b.SKU)); c != 0 {
			return c
		}
		return strings.Compare(string(a.Location), string(b.Location))
	})
	return kept
}
