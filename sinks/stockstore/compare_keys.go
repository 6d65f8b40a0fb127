package stockstore

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"tailstock/connector"
	"tailstock/connector/cdc"
)

const (
	// censusBuckets is how many sums a census has: 2 MiB of them.
	censusBuckets = 1 << 18
	// maxCensuses bounds the memory of censuses. What has none is read back whole.
	maxCensuses = 8
	// keysScanned bounds the keys that one page looks at, keysBytes the size of those that it has.
	keysScanned = 200_000
	keysBytes   = 128 << 10
	// keysRead is how many keys one statement reads.
	keysRead = 10_000
)

// census tells whether the keys of a feed are those that a verification compared.
// Each key falls into a bucket, which holds the sum of its keys' hashes: added when
// a row is compared, taken off when the keys of the store are read. A bucket that
// comes to nothing held the same keys on both sides, but for one chance in 2^46.
// Rows that came or went meanwhile, or were compared twice, only have the keys of
// their buckets read back from the source for nothing.
type census struct {
	mu   sync.Mutex
	seed maphash.Seed
	sums []uint64
	// counted says that the keys of the store were taken off.
	counted bool
}

func (c *census) add(row cdc.RowKey) {
	h := maphash.String(c.seed, string(row))
	c.sums[h%censusBuckets] += h
}

func (c *census) remove(row cdc.RowKey) {
	h := maphash.String(c.seed, string(row))
	c.sums[h%censusBuckets] -= h
}

// clean reports whether no key is a suspect.
func (c *census) clean() bool {
	return !slices.ContainsFunc(c.sums, func(sum uint64) bool { return sum != 0 })
}

func (c *census) suspects(row cdc.RowKey) bool {
	return c.sums[maphash.String(c.seed, string(row))%censusBuckets] != 0
}

// censuses are those of verifications under way. They live in memory alone:
// without one, every key of a feed is read back.
type censuses struct {
	mu    sync.Mutex
	feeds map[censusKey]*census
	order []censusKey
}

type censusKey struct {
	verification string
	feed         int32
}

// get returns the census of a feed. The oldest make room for a new one: they are of
// verifications that were given up.
func (c *censuses) get(key censusKey, create bool) *census {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.feeds[key]; found != nil || !create {
		return found
	}
	if c.feeds == nil {
		c.feeds = make(map[censusKey]*census)
	}
	if len(c.order) == maxCensuses {
		delete(c.feeds, c.order[0])
		c.order = c.order[1:]
	}
	c.feeds[key] = &census{seed: maphash.MakeSeed(), sums: make([]uint64, censusBuckets)}
	c.order = append(c.order, key)
	return c.feeds[key]
}

func (c *censuses) drop(key censusKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.feeds, key)
	for i := range c.order {
		if c.order[i] == key {
			c.order = append(c.order[:i:i], c.order[i+1:]...)
			return
		}
	}
}

// note counts the rows that were compared and that the store knows. It waits for
// nobody: what is not counted is read back.
func (c *censuses) note(rows []comparedRow, held []heldRow) {
	var key censusKey
	var at *census
	leave := func() {
		if at != nil {
			at.mu.Unlock()
		}
	}
	for i := range rows {
		r := &rows[i]
		if r.event.Op == cdc.OpDelete || held[i].legs == 0 && !held[i].problem {
			continue
		}
		if own := (censusKey{r.from.Compare, r.feed.id}); own != key {
			leave()
			key, at = own, c.get(own, true)
			if !at.mu.TryLock() {
				at = nil
			}
		}
		if at != nil {
			at.add(r.row)
		}
	}
	leave()
}

// RowKeys is a connector.RowKeysFunc: it returns the keys of rows that count, in the
// order of the store, without those that were compared for the same verification
// since the store was opened. The first page takes a pass over all keys of the feed.
func (s *Store) RowKeys(ctx context.Context, r connector.KeysRequest) (connector.KeysPage, error) {
	page, err := s.rowKeys(ctx, r)
	if err != nil {
		return connector.KeysPage{}, fmt.Errorf("read row keys of table %s: %w", r.Feed.Table, err)
	}
	return page, nil
}

func (s *Store) rowKeys(ctx context.Context, r connector.KeysRequest) (connector.KeysPage, error) {
	feed, err := s.countedFeed(ctx, r)
	if err != nil || feed == 0 {
		return connector.KeysPage{Done: true}, err
	}
	key := censusKey{r.Verification, feed}
	c := s.censuses.get(key, false)
	if c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := s.takeCensus(ctx, c, feed); err != nil {
			s.censuses.drop(key)
			return connector.KeysPage{}, err
		}
		if c.clean() {
			s.censuses.drop(key)
			return connector.KeysPage{Last: r.After, Done: true}, nil
		}
	}
	page := connector.KeysPage{Last: r.After}
	size := 0
	for scanned := 0; scanned < keysScanned && size < keysBytes && !page.Done; {
		keys, err := s.keysAfter(ctx, feed, page.Last)
		if err != nil {
			return page, err
		}
		page.Done = len(keys) == 0
		for _, k := range keys {
			scanned++
			page.Last = k
			if c == nil || c.suspects(k) {
				page.Keys = append(page.Keys, k)
				size += len(k) + 3
			}
			if size >= keysBytes {
				break
			}
		}
	}
	if page.Done {
		s.censuses.drop(key)
	}
	return page, nil
}

// countedFeed returns the feed that counts, 0 if there is none.
func (s *Store) countedFeed(ctx context.Context, r connector.KeysRequest) (int32, error) {
	var feed int32
	err := s.db.read(ctx, func(rd reader) error {
		return rd.query(ctx, func(scan scanFunc) error { return scan(&feed) },
			`select id from feed where source = $1 and table_name = $2 and mapping = $3 and state in ('active', 'stale')`,
			r.Source, r.Feed.Table, string(r.Feed.Mapping))
	})
	return feed, err
}

// takeCensus takes the keys of the feed off, once.
func (s *Store) takeCensus(ctx context.Context, c *census, feed int32) error {
	if c.counted {
		return nil
	}
	for after := cdc.RowKey(""); ; {
		keys, err := s.keysAfter(ctx, feed, after)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			c.counted = true
			return nil
		}
		for _, k := range keys {
			c.remove(k)
		}
		after = keys[len(keys)-1]
	}
}

// keysAfter returns the next keys of a feed that contribute or have a problem, each
// once, in order.
func (s *Store) keysAfter(ctx context.Context, feed int32, after cdc.RowKey) ([]cdc.RowKey, error) {
	var contribute, problems []cdc.RowKey
	err := s.db.snapshot(ctx, func(r reader) error {
		read := func(into *[]cdc.RowKey, sql string) error {
			return r.query(ctx, func(scan scanFunc) error {
				var key string
				err := scan(&key)
				*into = append(*into, cdc.RowKey(key))
				return err
			}, sql, feed, string(after), keysRead)
		}
		err := read(&contribute, `select distinct row_key from contribution where feed = $1 and row_key > $2 order by row_key limit $3`)
		if err != nil {
			return err
		}
		return read(&problems, `select row_key from problem where feed = $1 and row_key > $2 order by row_key limit $3`)
	})
	return mergeKeys(contribute, problems, keysRead), err
}

// mergeKeys merges two ordered lists up to limit keys. Each of them holds all keys
// up to its last, and all there are if it is shorter than limit.
func mergeKeys(a, b []cdc.RowKey, limit int) []cdc.RowKey {
	if len(b) == 0 {
		return a
	}
	out := make([]cdc.RowKey, 0, limit)
	for len(out) < limit && len(a)+len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case len(a) > 0 && a[0] == b[0]:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		default:
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}
