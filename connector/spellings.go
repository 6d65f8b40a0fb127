package connector

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
	"tailstock/connector/mapping"
)

// maxSpellings bounds the part numbers whose spelling is remembered.
const maxSpellings = 500_000

// spellings notices part numbers that the mapping's normaliser brings together
// though they are written as different numbers are: they may be one article, or
// two whose stock is added up by mistake. It remembers those that one run maps.
// Safe for concurrent use.
type spellings struct {
	log   *slog.Logger
	count prometheus.Counter

	mu   sync.Mutex
	seen *lookup.Table // the spelling by the normal form
	told map[string]bool
}

func newSpellings(log *slog.Logger, count prometheus.Counter) *spellings {
	return &spellings{log: log, count: count, seen: lookup.New([]string{"spelled"}), told: make(map[string]bool)}
}

// note takes a part number as it is written, with its normal form.
func (s *spellings) note(key, spelled string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.seen.Find(key)
	if !ok {
		if s.seen.Len() < maxSpellings {
			s.seen.Put(key, []cdc.Value{cdc.Text(spelled)})
		}
		return
	}
	first := s.seen.Value(r, 0).Text()
	switch {
	case mapping.SamePartno(first, spelled):
		if len(spelled) > len(first) { // it says more about where separators are
			s.seen.Put(key, []cdc.Value{cdc.Text(spelled)})
		}
	case !s.told[key]:
		s.told[key] = true
		s.count.Inc()
		s.log.Warn("two part numbers become one SKU: if they are two articles, give their brand a rule of its own under partno",
			"sku", key, "first", first, "second", spelled)
	}
}

// listens has l tell s what it sees, and returns it.
func (s *spellings) listens(l *mapping.Lookups) *mapping.Lookups {
	l.Spelled = s.note
	return l
}
