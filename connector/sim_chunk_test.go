package connector_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// memView sees the commits of a memSource that were visible when it was taken.
type memView struct {
	hidden map[int]bool
	// newest is the last commit that it sees, upto the last one that there was.
	newest, upto int
}

func (v *memView) Sees(t *cdc.Transaction) bool {
	n, err := strconv.Atoi(t.ID)
	if err != nil {
		panic(err)
	}
	return n <= v.upto && !v.hidden[n]
}

func (v *memView) Reached(r cdc.Resume) bool { return placeOf(r) >= v.newest }

// view is what is visible now. mu must be held.
func (s *memSource) view() *memView {
	v := &memView{hidden: make(map[int]bool), upto: len(s.log)}
	for i, c := range s.log {
		if c.visible {
			v.newest = i + 1
		} else {
			v.hidden[i+1] = true
		}
	}
	return v
}

// Mark implements backfill.Reader: the commits that were delivered.
func (s *memAdapter) Mark() backfill.Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivered
}

// Read implements backfill.Reader. It waits for what was delivered to become
// visible, and for whoever empties the table.
func (s *memAdapter) Read(ctx context.Context, mark backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	if s.chaos.strike() {
		return nil, errInjected
	}
	s.mu.Lock()
	s.begun++
	s.mu.Unlock()
	if err := pause(ctx, s.takes()); err != nil {
		return nil, err
	}
	if err := s.pass(ctx); err != nil {
		return nil, err
	}
	var chunk *backfill.Chunk
	err := s.await(ctx, func() bool {
		ref := s.ref(r.Table)
		if !s.visible(mark.(int)) || ref != nil && ref.truncates > 0 || ref == nil && s.table(r.Table).truncates > 0 {
			return false
		}
		if ref != nil {
			chunk = s.readRef(ref, r)
			return true
		}
		chunk = s.read(r)
		return true
	})
	if err != nil {
		return nil, err
	}
	if time.Now().Before(s.brokenUntil()) || oddKey(r.Keys) {
		return nil, errInjected
	}
	if s.dawdles { // what was read is on its way for a while
		return chunk, pause(ctx, s.takes())
	}
	return chunk, nil
}

// takes is how long a read takes, or half of it.
func (s *memAdapter) takes() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dawdles {
		return time.Duration(s.chaos.draw(40)) * 5 * time.Millisecond
	}
	return 3*time.Millisecond + s.slow
}

// pass waits for the gate, if there is one.
func (s *memAdapter) pass(ctx context.Context) error {
	s.mu.Lock()
	gate := s.gate
	if gate != nil {
		s.waiting++
	}
	s.mu.Unlock()
	if gate == nil {
		return nil
	}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// selected evaluates the one form of condition that tests use: location == 'L0'.
func (r simRow) selected(c *cdc.Condition) bool { return c == nil || r.location == c.Values[0].Text }

// mapped is what r has on hand under a mapping of all quantities.
func (r simRow) mapped() inventory.Quantity { return inventory.Quantity(max(r.qty, 0)) * inventory.One }

func (s *memSource) brokenUntil() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// read reads what is visible. mu must be held.
func (s *memAdapter) read(r backfill.Request) *backfill.Chunk {
	t := s.table(r.Table)
	if s.wanted[r.Table] == nil {
		s.t.Errorf("table %s is read, and nobody wants it", r.Table)
	}
	s.reads = append(s.reads, r)
	c := &backfill.Chunk{Table: t.Table, View: s.view(), ReadAt: time.Now()}
	if s.odd != nil {
		c.Table = s.odd
	}
	if r.Keys != nil {
		s.readKeys(t, r.Keys, c)
		return c
	}
	after, upto := bound(r.After), bound(r.Upto)
	for _, id := range slices.Sorted(maps.Keys(t.visible)) {
		if r.After != nil && (id < after || id == after && !r.Including) || r.Upto != nil && id > upto {
			continue
		}
		if f := r.Referring; f != nil && !t.visible[id].refers(f) {
			continue
		}
		if c.Read() == r.Limit {
			break
		}
		if r.Where != nil {
			c.Scanned++
		}
		if c.Last = (backfill.Key{strconv.Itoa(id)}); !t.visible[id].selected(r.Where) {
			continue
		}
		c.Rows = append(c.Rows, t.image(id, t.visible[id]))
	}
	return c
}

// readKeys reads the rows of keys that are there, in key order.
func (s *memAdapter) readKeys(t *memTable, keys []backfill.Key, c *backfill.Chunk) {
	for _, id := range slices.Sorted(maps.Keys(t.visible)) {
		if slices.ContainsFunc(keys, func(k backfill.Key) bool { return k[0] == strconv.Itoa(id) }) {
			c.Rows = append(c.Rows, t.image(id, t.visible[id]))
		}
	}
}

// oddKey reports whether one of keys fits no table.
func oddKey(keys []backfill.Key) bool {
	return slices.ContainsFunc(keys, func(k backfill.Key) bool {
		_, err := strconv.Atoi(k[0])
		return err != nil
	})
}

func bound(k backfill.Key) int {
	if k == nil {
		return 0
	}
	n, err := strconv.Atoi(k[0])
	if err != nil {
		panic(err)
	}
	return n
}

// Nudge implements backfill.Reader.
func (s *memAdapter) Nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nudged = true
	s.signal()
}

// takeNudge reports whether progress was asked for since the last time.
func (s *memAdapter) takeNudge() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	nudged := s.nudged
	s.nudged = false
	return nudged
}

// Estimate implements backfill.Reader.
func (s *memSource) Estimate(_ context.Context, table cdc.TableName) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.table(table).visible)), nil
}
