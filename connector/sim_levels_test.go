package connector_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"sync"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// memLevels is the levels stream: the last message of every cell.
type memLevels struct {
	t     *testing.T
	chaos *chaos

	mu          sync.Mutex
	id          string
	last        uint64
	cells       map[inventory.Cell]inventory.LevelMessage
	changed     chan struct{}
	lastSession uint64
	writers     []*memLevelsWriter
	versions    map[inventory.Cell]inventory.Version // the newest ever published
}

func newMemLevels(t *testing.T, c *chaos) *memLevels {
	return &memLevels{
		t: t, chaos: c, id: "levels", changed: make(chan struct{}),
		cells:    make(map[inventory.Cell]inventory.LevelMessage),
		versions: make(map[inventory.Cell]inventory.Version),
	}
}

// tail must be called with mu held.
func (l *memLevels) tail() connector.LevelsTail {
	t := connector.LevelsTail{Stream: l.id, LastSession: l.lastSession}
	for _, m := range l.cells {
		if m.Version.Sequence > t.Sequence {
			t.Sequence, t.Session, t.First, t.After = m.Version.Sequence, m.Version.Session, m.First, m.After
		}
	}
	return t
}

func (l *memLevels) Open(context.Context) (connector.LevelsWriter, error) {
	if l.chaos.strike() {
		return nil, errInjected
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &memLevelsWriter{levels: l, opened: l.tail(), known: l.lastSession, last: l.last}
	l.writers = append(l.writers, w)
	return w, nil
}

// disconnect ends every writer's connection, as a server does that goes down. mu must be held.
func (l *memLevels) disconnect() {
	for _, w := range l.writers {
		w.dead = true
	}
	l.writers = nil
}

// loseTail drops the newest messages. What they superseded is gone either way.
func (l *memLevels) loseTail(rng *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disconnect()
	var sequences []uint64
	for _, m := range l.cells {
		sequences = append(sequences, m.Version.Sequence)
	}
	slices.Sort(sequences)
	if len(sequences) == 0 {
		return
	}
	l.last = sequences[rng.IntN(len(sequences))]
	maps.DeleteFunc(l.cells, func(_ inventory.Cell, m inventory.LevelMessage) bool { return m.Version.Sequence > l.last })
}

// replace makes the stream anew, empty.
func (l *memLevels) replace(rng *rand.Rand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.disconnect()
	l.id = "levels-" + strconv.Itoa(rng.IntN(1_000_000))
	l.last = 0
	clear(l.cells)
}

// levels returns the cells that hold anything.
func (l *memLevels) levels() map[inventory.Cell]inventory.Quantity {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[inventory.Cell]inventory.Quantity)
	for at, m := range l.cells {
		if q := m.Quantities[inventory.OnHand]; q != 0 {
			out[at] = q
		}
	}
	return out
}

type memLevelsWriter struct {
	levels  *memLevels
	opened  connector.LevelsTail
	known   uint64 // the session recorded when it was opened
	last    uint64
	session uint64
	expect  uint64
	dead    bool
}

func (w *memLevelsWriter) Tail() connector.LevelsTail { return w.opened }

func (w *memLevelsWriter) CellsAfter(_ context.Context, sequence uint64) ([]inventory.Cell, error) {
	if w.levels.chaos.strike() {
		return nil, errInjected
	}
	w.levels.mu.Lock()
	defer w.levels.mu.Unlock()
	var out []inventory.Cell
	for c, m := range w.levels.cells {
		if m.Version.Sequence > sequence {
			out = append(out, c)
		}
	}
	return out, nil
}

func (w *memLevelsWriter) Begin(_ context.Context, session uint64) error {
	lostBefore, lostAfter := w.levels.chaos.strike(), w.levels.chaos.strike()
	if lostBefore {
		return errInjected
	}
	w.levels.mu.Lock()
	defer w.levels.mu.Unlock()
	if w.levels.lastSession != w.known {
		return connector.ErrLogChanged
	}
	w.levels.lastSession = session
	w.session, w.expect = session, w.last
	if lostAfter {
		return errInjected
	}
	return nil
}

func (w *memLevelsWriter) Publish(_ context.Context, level *inventory.Level) (uint64, connector.Ack, error) {
	lostBefore, lostAfter := w.levels.chaos.strike(), w.levels.chaos.strike()
	l := w.levels
	l.mu.Lock()
	defer l.mu.Unlock()
	sequence := w.expect + 1
	w.expect++
	if w.dead || lostBefore || l.last != sequence-1 || l.id != w.opened.Stream {
		w.dead = true
		return sequence, memAck{err: errInjected}, nil
	}
	l.last = sequence
	m := inventory.LevelMessage{Level: *level, First: w.last + 1, After: w.opened.Session}
	m.Version = inventory.Version{Session: w.session, Sequence: sequence}
	if newest := l.versions[level.Cell]; m.Version.Compare(newest) <= 0 {
		l.t.Errorf("%s at %s: version %v is published after %v", m.SKU, m.Location, m.Version, newest)
	}
	l.versions[level.Cell] = m.Version
	l.cells[level.Cell] = m
	close(l.changed)
	l.changed = make(chan struct{})
	if lostAfter {
		w.dead = true
		return sequence, memAck{err: errInjected}, nil
	}
	return sequence, memAck{}, nil
}

func (w *memLevelsWriter) Check(context.Context) error {
	if w.levels.chaos.strike() {
		return errInjected
	}
	w.levels.mu.Lock()
	defer w.levels.mu.Unlock()
	if w.dead || w.levels.id != w.opened.Stream || w.levels.last != w.expect || w.levels.lastSession != w.session {
		return connector.ErrLogChanged
	}
	return nil
}

func (w *memLevelsWriter) Close() error {
	w.levels.mu.Lock()
	defer w.levels.mu.Unlock()
	w.dead = true
	return nil
}

type memLevelsReader struct {
	levels *memLevels
	next   uint64
}

func (l *memLevels) open(context.Context) (connector.LevelsReader, error) {
	if l.chaos.strike() {
		return nil, errInjected
	}
	return &memLevelsReader{levels: l, next: 1}, nil
}

func (r *memLevelsReader) Tail(context.Context) (connector.LevelsTail, error) {
	if r.levels.chaos.strike() {
		return connector.LevelsTail{}, errInjected
	}
	r.levels.mu.Lock()
	defer r.levels.mu.Unlock()
	return r.levels.tail(), nil
}

func (r *memLevelsReader) Seek(_ context.Context, sequence uint64) error {
	r.next = sequence + 1
	return nil
}

// Next returns few levels at a time, so that the stream moves on between calls.
func (r *memLevelsReader) Next(ctx context.Context, limit int, wait time.Duration) ([]inventory.LevelMessage, error) {
	if r.levels.chaos.strike() {
		return nil, errInjected
	}
	until := time.After(wait)
	for {
		r.levels.mu.Lock()
		changed := r.levels.changed
		var out []inventory.LevelMessage
		for _, m := range r.levels.cells {
			if m.Version.Sequence >= r.next {
				out = append(out, m)
			}
		}
		r.levels.mu.Unlock()
		sort.Slice(out, func(i, j int) bool { return out[i].Version.Sequence < out[j].Version.Sequence })
		out = out[:min(len(out), limit, 3)]
		if len(out) > 0 {
			r.next = out[len(out)-1].Version.Sequence + 1
			return out, pause(ctx, time.Millisecond)
		}
		select {
		case <-changed:
		case <-until:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *memLevelsReader) Close() error { return nil }

// memCache is a cache that can be emptied or rolled back.
type memCache struct {
	t     *testing.T
	chaos *chaos

	mu    sync.Mutex
	state memCached
}

type memCached struct {
	place connector.CachePlace
	cells map[inventory.Cell]inventory.LevelMessage
	seen  map[inventory.Cell]bool // by the replay that runs
}

func (c memCached) clone() memCached {
	c.cells, c.seen = maps.Clone(c.cells), maps.Clone(c.seen)
	return c
}

func newMemCache(t *testing.T, c *chaos) *memCache {
	return &memCache{t: t, chaos: c, state: memCached{
		cells: make(map[inventory.Cell]inventory.LevelMessage), seen: make(map[inventory.Cell]bool),
	}}
}

// flush empties the cache.
func (c *memCache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.place = connector.CachePlace{}
	clear(c.state.cells)
	clear(c.state.seen)
}

// backup and restore are a replica that took over and lacks the last writes.
func (c *memCache) backup() memCached {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.clone()
}

func (c *memCache) restore(b memCached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = b.clone()
}

func (c *memCache) Place(context.Context) (connector.CachePlace, error) {
	if c.chaos.strike() {
		return connector.CachePlace{}, errInjected
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.place, nil
}

func (c *memCache) change(from, to connector.CachePlace, effect func()) error {
	lostBefore, lostAfter := c.chaos.strike(), c.chaos.strike()
	c.mu.Lock()
	defer c.mu.Unlock()
	if lostBefore {
		return errInjected
	}
	if c.state.place != from {
		return connector.ErrFenced
	}
	effect()
	c.state.place = to
	if lostAfter {
		return errInjected
	}
	return nil
}

func (c *memCache) Apply(_ context.Context, from, to connector.CachePlace, levels []inventory.LevelMessage) error {
	if to.Sequence < from.Sequence || to.Replay != from.Replay {
		c.t.Errorf("cache moved from %+v to %+v", from, to)
	}
	return c.change(from, to, func() {
		for _, l := range levels {
			c.state.seen[l.Cell] = true
			held, ok := c.state.cells[l.Cell]
			if ok && from.Replay == 0 && l.Version.Compare(held.Version) <= 0 {
				continue
			}
			c.state.cells[l.Cell] = l
		}
	})
}

func (c *memCache) BeginReplay(_ context.Context, from, to connector.CachePlace) error {
	if to.Replay == 0 {
		c.t.Errorf("a replay begins with a place that does not say so: %+v", to)
	}
	return c.change(from, to, func() { clear(c.state.seen) })
}

func (c *memCache) EndReplay(_ context.Context, from, to connector.CachePlace) error {
	return c.change(from, to, func() {
		for cell, held := range c.state.cells {
			if !c.state.seen[cell] {
				held.Quantities, held.Gone = inventory.Quantities{}, true
				c.state.cells[cell] = held
			}
		}
	})
}

func (c *memCache) levels() map[inventory.Cell]inventory.Quantity {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[inventory.Cell]inventory.Quantity)
	for cell, held := range c.state.cells {
		if q := held.Quantities[inventory.OnHand]; q != 0 {
			out[cell] = q
		}
	}
	return out
}
