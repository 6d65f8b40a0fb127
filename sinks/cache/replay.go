package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"tailstock/connector"
)

// BeginReplay implements connector.Cache. A replay has a mark, made here, that
// every cell gets which it writes.
func (c *Cache) BeginReplay(ctx context.Context, from, to connector.CachePlace) error {
	if err := c.move(ctx, c.client, from, to, newMark()); err != nil {
		return fmt.Errorf("begin replay: %w", err)
	}
	return nil
}

// newMark returns a mark that no earlier replay has had, also when Redis has
// forgotten which there were: they are never compared but for equality.
func newMark() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand.Read
	return hex.EncodeToString(b[:])
}

// EndReplay implements connector.Cache. It looks at every SKU in steps that are
// short for the server, so it takes some seconds per million. When it was
// interrupted, everything that it has done was right, and the place still says that
// a replay runs. The versions of what it drops stay.
//
// All steps use one connection: a cursor is worth nothing to another server.
func (c *Cache) EndReplay(ctx context.Context, from, to connector.CachePlace) error {
	conn := c.client.Conn()
	defer func() { _ = conn.Close() }() // it only goes back
	var cursor uint64
	for first := true; first || cursor != 0; first = false {
		keys, next, err := conn.ScanType(ctx, cursor, c.cfg.skuPrefix()+"*", scanCount, "hash").Result()
		if err != nil {
			return fmt.Errorf("end replay: scan: %w", explain(err))
		}
		cursor = next
		if err := c.sweep(ctx, conn, from, keys); err != nil {
			return fmt.Errorf("end replay: %w", err)
		}
	}
	if err := c.move(ctx, conn, from, to, ""); err != nil {
		return fmt.Errorf("end replay: %w", err)
	}
	return nil
}

// scanCount is about how many keys of the server one step looks at. fieldBudget
// bounds how many fields of hashes one call of the script reads, and with it how long
// it blocks the server: some ten milliseconds. A hash is read whole.
const (
	scanCount   = 1_000
	fieldBudget = 20_000
)

// sweep drops, from hashes, the numbers of the cells that the replay has not written.
func (c *Cache) sweep(ctx context.Context, conn *redis.Conn, from connector.CachePlace, found []string) error {
	keys, args := []string{c.cfg.placeKey()}, []any{placeText(from), c.cfg.Channel, fieldBudget}
	for _, key := range found {
		sku, ours := strings.CutSuffix(strings.TrimPrefix(key, c.cfg.skuPrefix()), "}")
		if ours {
			keys, args = append(keys, key), append(args, sku)
		}
	}
	const place, fixed = 1, 3 // what stands before the SKUs
	for len(keys) > place {
		reply, err := c.run(ctx, conn, c.scripts.sweep, from, keys, args)
		if err != nil {
			return err
		}
		n, err := counts(reply, 2)
		if err != nil {
			return err
		}
		c.metrics.dropped.Add(float64(n[1]))
		keys = append(keys[:place:place], keys[place+n[0]:]...)
		args = append(args[:fixed:fixed], args[fixed+n[0]:]...)
	}
	return nil
}

// move moves the place and, unless mark is empty, names a replay.
func (c *Cache) move(ctx context.Context, conn redis.Scripter, from, to connector.CachePlace, mark string) error {
	_, err := c.run(ctx, conn, c.scripts.move, from, []string{c.cfg.placeKey()}, []any{placeText(from), placeText(to), mark})
	return err
}
