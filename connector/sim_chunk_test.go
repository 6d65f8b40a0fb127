package connector_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// memView sees the first commits of a memSource.
type memView int

func (v memView) Sees(t *cdc.Transaction) bool {
	n, err := strconv.Atoi(t.ID)
	if err != nil {
		panic(err)
	}
	return n <= int(v)
}

func (v memView) Reached(r cdc.Resume) bool { return placeOf(r) >= int(v) }

func (s *memSource) Want(cdc.Wanted) {}

// Mark implements backfill.Reader: every commit is visible at once.
func (s *memSource) Mark() backfill.Mark { return nil }

// Read implements backfill.Reader.
func (s *memSource) Read(ctx context.Context, _ backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	if s.chaos.strike() {
		return nil, errInjected
	}
	s.mu.Lock()
	s.begun++
	takes := 3*time.Millisecond + s.slow
	s.mu.Unlock()
	if err := errors.Join(pause(ctx, takes), s.pass(ctx)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, r)
	c := &backfill.Chunk{Table: s.table, View: memView(len(s.log)), ReadAt: time.Now()}
	if s.odd != nil {
		c.Table = s.odd
	}
	for _, id := range slices.Sorted(maps.Keys(s.rows)) {
		after, upto := bound(r.After), bound(r.Upto)
		if r.After != nil && (id < after || id == after && !r.Including) || r.Upto != nil && id > upto {
			continue
		}
		if c.Read() == r.Limit {
			break
		}
		if r.Where != nil {
			c.Scanned++
		}
		c.Last = backfill.Key{strconv.Itoa(id)}
		if s.selects(id, r.Where) {
			c.Rows = append(c.Rows, s.rows[id].image(id))
		}
	}
	return c, nil
}

// pass waits for the gate, if there is one.
func (s *memSource) pass(ctx context.Context) error {
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

// selects evaluates the one form of condition that tests use: location == 'L0'.
func (s *memSource) selects(id int, c *cdc.Condition) bool {
	return c == nil || s.rows[id].location == c.Values[0].Text
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

// hold has commits not emitted, or emitted again.
func (s *memSource) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	close(s.changed)
	s.changed = make(chan struct{})
}

// Nudge implements backfill.Reader.
func (s *memSource) Nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nudged = true
	close(s.changed)
	s.changed = make(chan struct{})
}

// takeNudge reports whether progress was asked for since the last time.
func (s *memSource) takeNudge() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	nudged := s.nudged
	s.nudged = false
	return nudged
}

// Estimate implements backfill.Reader.
func (s *memSource) Estimate(context.Context, cdc.TableName) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.rows)), nil
}

// mapped is what r has on hand by the mapping.
func (r simRow) mapped() inventory.Quantity { return inventory.Quantity(max(r.qty, 0)) * inventory.One }

// commitAt commits a write of row 7 that changes nothing, at a time of one's own.
func (s *memSource) commitAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := strconv.Itoa(len(s.log) + 1)
	c := memCommit{Transaction: cdc.Transaction{ID: n, At: n, CommittedAt: at}, partRows: 1 << 30}
	row := s.rows[7]
	c.Changes = []cdc.Change{{Op: cdc.OpUpdate, Table: s.table, After: row.image(7)}}
	s.log = append(s.log, c)
	close(s.changed)
	s.changed = make(chan struct{})
}
