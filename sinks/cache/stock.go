package cache

import (
	"context"
	"fmt"
	"strings"

	"tailstock/connector/inventory"
)

// Stock is what the cache holds of one SKU.
type Stock struct {
	// Available and Sellable are the totals over the locations, as exact decimals;
	// both are empty if no location has a number.
	Available, Sellable string
	// Locations holds every location that has a number or had one.
	Locations map[inventory.LocationID]LocationStock
}

// LocationStock is what the cache holds of one cell.
type LocationStock struct {
	// Available is an exact decimal, empty if the cell is gone.
	Available string
	Version   inventory.Version
}

// Stock reads what the cache holds of sku, as of one moment. A SKU that it does not
// know has no locations.
func (c *Cache) Stock(ctx context.Context, sku inventory.SKU) (Stock, error) {
	key := c.cfg.skuKey(sku)
	fields, err := c.client.HGetAll(ctx, key).Result()
	if err != nil {
		return Stock{}, fmt.Errorf("read key %q: %w", key, explain(err))
	}
	s := Stock{
		Available: fields["available"], Sellable: fields["sellable"],
		Locations: make(map[inventory.LocationID]LocationStock),
	}
	for field, value := range fields {
		location, ok := strings.CutPrefix(field, "version:")
		if !ok {
			continue
		}
		v, err := parseVersion(value)
		if err != nil {
			return Stock{}, fmt.Errorf("read key %q: field %q: %w", key, field, err)
		}
		s.Locations[inventory.LocationID(location)] = LocationStock{Available: fields["available:"+location], Version: v}
	}
	return s, nil
}
