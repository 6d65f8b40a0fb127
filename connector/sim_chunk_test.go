package connector_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
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
	if err := pause(ctx, time.Duration(s.chaos.draw(40))*5*time.Millisecond); err != nil {
		return nil, err
	}
	if s.chaos.strike() {
		return nil, errInjected
	}
	var chunk *backfill.Chunk
	err := s.await(ctx, func() bool {
		if s.table(r.Table).truncates > 0 || !s.visible(mark.(int)) {
			return false
		}
		chunk = s.read(r)
		return true
	})
	if err != nil {
		return nil, err
	}
	if time.Now().Before(s.brokenUntil()) {
		return nil, errInjected
	}
	// What was read is on its way for a while.
	return chunk, pause(ctx, time.Duration(s.chaos.draw(40))*5*time.Millisecond)
}

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
	c := &backfill.Chunk{Table: t.Table, View: s.view(), ReadAt: time.Now()}
	after, upto := bound(r.After), bound(r.Upto)
	for _, id := range slices.Sorted(maps.Keys(t.visible)) {
		if r.After != nil && (id < after || id == after && !r.Including) || r.Upto != nil && id > upto {
			continue
		}
		if len(c.Rows) == r.Limit {
			break
		}
		c.Last = backfill.Key{strconv.Itoa(id)}
		c.Rows = append(c.Rows, t.image(id, t.visible[id]))
	}
	return c
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
