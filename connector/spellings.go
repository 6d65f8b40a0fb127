package connector

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
	"tailstock/connector/mapping"
)

const (
	// maxSpellings bounds the part numbers whose spelling is remembered, keptCollisions
	// those that came together and are kept for the next run, and shownCollisions those
	// that are shown.
	maxSpellings    = 500_000
	keptCollisions  = 1_000
	shownCollisions = 20
)

// collision is two part numbers that become one though they are written as different
// numbers are.
type collision struct {
	// SKU is what both become, and Holder what the first belongs to.
	SKU    string `json:"sku"`
	First  string `json:"first"`
	Second string `json:"second"`
	Holder string `json:"holder"`
}

// spellings notices part numbers that the mapping's normaliser brings together
// though they are written as different numbers are: they may be one article, or
// two whose stock is added up by mistake. It remembers those that one run maps, and
// those that came together from run to run. Safe for concurrent use.
type spellings struct {
	log   *slog.Logger
	count prometheus.Counter

	mu sync.Mutex
	// seen has the spelling, and what it belongs to, by the normal form.
	seen *lookup.Table
	told map[string]collision
	// fresh says that told has changed since it was taken.
	fresh bool
}

func newSpellings(log *slog.Logger, count prometheus.Counter) *spellings {
	return &spellings{log: log, count: count, seen: lookup.New([]string{"spelled", "holder"}), told: make(map[string]collision)}
}

// note takes a part number as it is written, with its normal form and what it belongs
// to, and returns another that has become the same, empty for none. Without a holder
// it returns false where it must know that.
func (s *spellings) note(key, spelled, holder string) (other string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.seen.Find(key)
	switch {
	case !ok && holder == "":
		return "", s.seen.Len() >= maxSpellings
	case !ok:
		s.put(key, spelled, holder)
		return "", true
	}
	first, by := s.seen.Value(r, 0).Text(), s.seen.Value(r, 1).Text()
	switch {
	case mapping.SamePartno(first, spelled) && len(spelled) <= len(first):
		return "", true
	case holder == "":
		return "", false
	case mapping.SamePartno(first, spelled): // it says more about where separators are
		s.put(key, spelled, holder)
		return "", true
	case holder == by: // it is spelled anew
		s.put(key, spelled, holder)
		if _, told := s.told[key]; told {
			delete(s.told, key)
			s.fresh = true
		}
		return "", true
	}
	if _, told := s.told[key]; !told {
		// What is kept must not keep the text alive that it may be cut out of.
		key, spelled = strings.Clone(key), strings.Clone(spelled)
		s.told[key], s.fresh = collision{key, strings.Clone(first), spelled, strings.Clone(by)}, true
		s.count.Inc()
		s.log.Warn("two part numbers become one SKU: if they are two articles, give their brand a rule of its own under partno",
			"sku", key, "first", first, "of", by, "second", spelled, "of_second", holder)
	}
	return first, true
}

func (s *spellings) put(key, spelled, holder string) {
	if _, there := s.seen.Find(key); there || s.seen.Len() < maxSpellings {
		s.seen.Put(key, []cdc.Value{cdc.Text(spelled), cdc.Text(holder)})
	}
}

// recall takes the collisions that an earlier run kept.
func (s *spellings) recall(list []collision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		s.told[c.SKU] = c
		s.put(c.SKU, c.First, c.Holder)
	}
	s.fresh = len(list) > 0
}

// collisions are those that are known, by SKU: as many as are kept.
func (s *spellings) collisions() []collision {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]collision, 0, len(s.told))
	for _, c := range s.told {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b collision) int { return cmp.Compare(a.SKU, b.SKU) })
	return out[:min(len(out), keptCollisions)]
}

// takeFresh reports whether collisions have changed since the last time.
func (s *spellings) takeFresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := s.fresh
	s.fresh = false
	return fresh
}

// listens has l tell s what it sees, and returns it.
func (s *spellings) listens(l *mapping.Lookups) *mapping.Lookups {
	l.Spelled = s.note
	return l
}
