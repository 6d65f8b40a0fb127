package tailing

import (
	"strings"

	"tailstock/connector/cdc"
)

// Slabs cut many small pieces out of few allocations. A piece keeps its whole
// slab alive; pieces are made and forgotten together, transaction by transaction.

// Slab sizes: large enough that allocation costs little, small enough that the
// slab of a lone change is not felt.
const (
	textSlabBytes  = 4 << 10
	valueSlabItems = 256
)

// TextSlab makes strings. The zero value is ready to use, by one goroutine.
type TextSlab struct{ b strings.Builder }

// Add returns a string with the bytes of p.
func (s *TextSlab) Add(p []byte) string {
	// What the builder has handed out stays valid: it only ever writes behind it.
	if s.b.Cap()-s.b.Len() < len(p) {
		s.b = strings.Builder{}
		s.b.Grow(max(len(p), textSlabBytes))
	}
	from := s.b.Len()
	s.b.Write(p)
	return s.b.String()[from:]
}

// ValueSlab makes rows. The zero value is ready to use, by one goroutine.
type ValueSlab struct{ free []cdc.Value }

// Row returns a row of n NULLs.
func (s *ValueSlab) Row(n int) cdc.Row {
	if len(s.free) < n {
		s.free = make([]cdc.Value, max(n, valueSlabItems))
	}
	row := s.free[:n:n]
	s.free = s.free[n:]
	return row
}
