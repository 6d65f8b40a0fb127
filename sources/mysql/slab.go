package mysql

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

// textSlab makes strings.
type textSlab struct{ b strings.Builder }

// add returns a string with the bytes of p.
func (s *textSlab) add(p []byte) string {
	// What the builder has handed out stays valid: it only ever writes behind it.
	if s.b.Cap()-s.b.Len() < len(p) {
		s.b = strings.Builder{}
		s.b.Grow(max(len(p), textSlabBytes))
	}
	from := s.b.Len()
	s.b.Write(p)
	return s.b.String()[from:]
}

// valueSlab makes rows.
type valueSlab struct{ free []cdc.Value }

// row returns a row of n NULLs.
func (s *valueSlab) row(n int) cdc.Row {
	if len(s.free) < n {
		s.free = make([]cdc.Value, max(n, valueSlabItems))
	}
	row := s.free[:n:n]
	s.free = s.free[n:]
	return row
}
