package stockstore

import (
	"hash/maphash"
	"sync"

	"tailstock/connector/inventory"
)

// loadMemory knows which rows and cells the loading feeds of a source do not hold:
// most of what a load brings is new, and need not be looked up before it is
// written. It is a Bloom filter of everything that was written to feeds since they
// were made, so it never takes for new what is not; the fuller it gets, the more is
// looked up for nothing. It lives in memory alone: without it, everything is.
//
// It counts only while this process has written everything there is, which it has
// if the source stands where the last batch left it. One batch at a time uses it.
type loadMemory struct {
	logID string
	at    inventory.Position
	seed  maphash.Seed
	bits  []uint64
	feeds map[int32]bool
}

const (
	// loadMemoryBits is the size of the filter, 8 MiB: one row and cell in a thousand
	// is looked up in vain after 3 million of them, one in five after 15 million.
	loadMemoryBits = 1 << 26
	// loadMemoryProbes is how many bits are set for a row or cell.
	loadMemoryProbes = 4
)

// begin notes that a feed was made, which is empty.
func (m *loadMemory) begin(feed int32) {
	if m == nil {
		return
	}
	if m.bits == nil {
		m.seed, m.bits, m.feeds = maphash.MakeSeed(), make([]uint64, loadMemoryBits/64), make(map[int32]bool)
	}
	m.feeds[feed] = true
}

// end notes that a feed does not load any more, or is written to in other ways.
func (m *loadMemory) end(feed int32) {
	if m != nil {
		delete(m.feeds, feed)
	}
}

// newRow reports whether a feed does not hold a row, which it does from now on.
func (m *loadMemory) newRow(row rowRef) bool {
	if m == nil || !m.feeds[row.feed] {
		return false
	}
	return m.note(maphash.Comparable(m.seed, row))
}

// newCell reports whether a feed does not hold a cell, which it does from now on.
func (m *loadMemory) newCell(cell *cellKey) bool {
	if m == nil || !m.feeds[cell.feed] {
		return false
	}
	return m.note(maphash.Comparable(m.seed, *cell))
}

// note sets the bits of a hash, and reports whether one of them was not set.
func (m *loadMemory) note(hash uint64) (missing bool) {
	step := hash>>32 | 1
	for range loadMemoryProbes {
		word, bit := &m.bits[hash%loadMemoryBits/64], uint64(1)<<(hash%64)
		missing = missing || *word&bit == 0
		*word |= bit
		hash += step
	}
	return missing
}

// loadMemories are those of the sources.
type loadMemories struct {
	mu      sync.Mutex
	sources map[string]*loadMemory
}

// get returns the memory of a source that stands at a place, an empty one if what
// is remembered is of another place.
func (l *loadMemories) get(source, logID string, at inventory.Position) *loadMemory {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.sources[source]
	if m == nil || m.logID != logID || m.at != at {
		m = &loadMemory{logID: logID, at: at}
		if l.sources == nil {
			l.sources = make(map[string]*loadMemory)
		}
		l.sources[source] = m
	}
	return m
}

// forget forgets what is known of a source, and reports whether that was anything.
func (l *loadMemories) forget(source string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.sources[source]
	delete(l.sources, source)
	return m != nil && len(m.feeds) > 0
}

// moved notes that a batch which used m was committed, and forgets what is not
// needed any more.
func (l *loadMemories) moved(source string, m *loadMemory, logID string, at inventory.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.logID, m.at = logID, at
	if len(m.feeds) == 0 && l.sources[source] == m {
		delete(l.sources, source)
	}
}

// mayHold returns the rows that the store may have contributions of, and where
// each stands in rows. The others are new.
func (m *loadMemory) mayHold(rows []rowChange) (held []rowChange, at []int32) {
	if m == nil || len(m.feeds) == 0 {
		return rows, nil
	}
	for i := range rows {
		if !m.newRow(rows[i].rowRef) {
			held, at = append(held, rows[i]), append(at, int32(i))
		}
	}
	return held, at
}

// split puts the cells that are new behind the others, and returns both.
func (m *loadMemory) split(cells []cellDelta) (held, fresh []cellDelta) {
	if m == nil || len(m.feeds) == 0 {
		return cells, nil
	}
	for i := range cells {
		if m.newCell(&cells[i].cellKey) {
			fresh = append(fresh, cells[i])
		} else {
			held = append(held, cells[i])
		}
	}
	return held, fresh
}
