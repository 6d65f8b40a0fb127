package sinktest

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"testing"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// cacheModel is what a cache must hold.
type cacheModel struct {
	place connector.CachePlace
	cells map[inventory.Cell]modelCached
	seen  map[inventory.Cell]bool // by the running replay
	// stirred are the SKUs of which a number has changed, be it for a moment.
	stirred map[inventory.SKU]bool
}

type modelCached struct {
	version   inventory.Version
	number    bool
	available inventory.Quantity
}

func newCacheModel() *cacheModel {
	return &cacheModel{
		cells: make(map[inventory.Cell]modelCached), seen: make(map[inventory.Cell]bool),
		stirred: make(map[inventory.SKU]bool),
	}
}

func (m *cacheModel) set(cell inventory.Cell, to modelCached) {
	held := m.cells[cell]
	if held.number != to.number || held.available != to.available {
		m.stirred[cell.SKU] = true
	}
	m.cells[cell] = to
}

func (m *cacheModel) apply(to connector.CachePlace, levels []inventory.LevelMessage) {
	for i := range levels {
		l := &levels[i]
		held, ok := m.cells[l.Cell]
		if m.place.Replay != 0 {
			m.seen[l.Cell] = true
		} else if ok && l.Version.Compare(held.version) <= 0 {
			continue
		}
		next := modelCached{version: l.Version, number: !l.Gone}
		if next.number {
			next.available = l.Quantities.Available()
		}
		m.set(l.Cell, next)
	}
	m.place = to
}

func (m *cacheModel) beginReplay(to connector.CachePlace) {
	m.place = to
	clear(m.seen)
}

func (m *cacheModel) endReplay(to connector.CachePlace) {
	for cell, held := range m.cells {
		if !m.seen[cell] {
			m.set(cell, modelCached{version: held.version})
		}
	}
	m.place = to
}

// cached is what a storefront must see of sku.
func (m *cacheModel) cached(sku inventory.SKU) Cached {
	numbers := make(map[inventory.LocationID]inventory.Quantity)
	for cell, held := range m.cells {
		if cell.SKU == sku && held.number {
			numbers[cell.Location] = held.available
		}
	}
	return cachedOf(numbers)
}

// cachedOf is what a storefront must see of a SKU with these numbers, calculated in
// another way than caches do.
func cachedOf(numbers map[inventory.LocationID]inventory.Quantity) Cached {
	var c Cached
	available, sellable := new(big.Rat), new(big.Rat)
	for location, q := range numbers {
		if c.Locations == nil {
			c.Locations = make(map[inventory.LocationID]string)
		}
		exact := big.NewRat(int64(q), int64(inventory.One))
		c.Locations[location] = decimal(exact)
		available.Add(available, exact)
		if q > 0 {
			sellable.Add(sellable, exact)
		}
	}
	if len(numbers) > 0 {
		c.Available, c.Sellable = decimal(available), decimal(sellable)
	}
	return c
}

// decimal returns a number of at most six fractional digits, exactly.
func decimal(r *big.Rat) string {
	return strings.TrimSuffix(strings.TrimRight(r.FloatString(6), "0"), ".")
}

func (m *cacheModel) compare(t testing.TB, s CacheServer, skus []inventory.SKU) {
	t.Helper()
	for _, sku := range skus {
		compareCached(t, s, sku, m.cached(sku))
	}
}

// levelStream is a levels stream: the last message of every cell.
type levelStream struct {
	id              string
	session, before uint64 // before is the last session that published
	sequence, first uint64
	last            map[inventory.Cell]inventory.LevelMessage
	history         []inventory.LevelMessage
}

func newLevelStream(id string, session uint64) *levelStream {
	return &levelStream{id: id, session: session, first: 1, last: make(map[inventory.Cell]inventory.LevelMessage)}
}

// publish gives l the next version.
func (s *levelStream) publish(l inventory.LevelMessage) {
	s.sequence++
	l.Version = inventory.Version{Session: s.session, Sequence: s.sequence}
	l.First, l.After = s.first, s.before
	s.last[l.Cell] = l
	s.history = append(s.history, l)
}

// begin begins another session.
func (s *levelStream) begin(session uint64) {
	if s.sequence >= s.first {
		s.before = s.session
	}
	s.session, s.first = session, s.sequence+1
}

// tail is the place behind the last message.
func (s *levelStream) tail() connector.CachePlace {
	p := connector.CachePlace{Place: connector.Place{Stream: s.id, Session: s.session, Sequence: s.sequence}}
	if s.sequence < s.first {
		p.Session = s.before
	}
	return p
}

// after returns up to limit messages above sequence, in order.
func (s *levelStream) after(sequence uint64, limit int) []inventory.LevelMessage {
	var out []inventory.LevelMessage
	for _, l := range s.last {
		if l.Version.Sequence > sequence {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b inventory.LevelMessage) int { return cmp.Compare(a.Version.Sequence, b.Version.Sequence) })
	return out[:min(limit, len(out))]
}

// replaySteps are the calls of a replay of s from place, with batch messages each.
func (s *levelStream) replaySteps(place connector.CachePlace, batch int) []cacheStep {
	end := s.tail()
	start := end
	start.Sequence, start.Replay = 0, end.Sequence
	steps := []cacheStep{{kind: stepBegin, from: place, to: start}}
	at := start
	for at.Sequence < end.Sequence {
		levels := s.after(at.Sequence, batch)
		to := at
		to.Sequence = levels[len(levels)-1].Version.Sequence
		steps = append(steps, cacheStep{kind: stepApply, from: at, to: to, levels: levels})
		at = to
	}
	return append(steps, cacheStep{kind: stepEnd, from: at, to: end})
}

// cacheStep is one call of a cache.
type cacheStep struct {
	kind     stepKind
	from, to connector.CachePlace
	levels   []inventory.LevelMessage
}

type stepKind int

const (
	stepApply stepKind = iota + 1
	stepBegin
	stepEnd
)

func (s cacheStep) call(t testing.TB, c connector.Cache) error {
	switch s.kind {
	case stepBegin:
		return c.BeginReplay(t.Context(), s.from, s.to)
	case stepEnd:
		return c.EndReplay(t.Context(), s.from, s.to)
	default:
		return c.Apply(t.Context(), s.from, s.to, s.levels)
	}
}

func (s cacheStep) model(m *cacheModel) {
	switch s.kind {
	case stepBegin:
		m.beginReplay(s.to)
	case stepEnd:
		m.endReplay(s.to)
	default:
		m.apply(s.to, s.levels)
	}
}
