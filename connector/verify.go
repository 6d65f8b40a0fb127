package connector

import (
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Comparison is what a store found when it compared rows of one table that were
// read for a verification with what it holds, at their place in the log.
type Comparison struct {
	// Verification names the verification.
	Verification string
	Table        string
	ComparedRows
	// Differences describe some of the rows that differ, MaxDifferences at most.
	Differences []Difference
}

// MaxDifferences is the most rows that a Comparison describes.
const MaxDifferences = 20

// ComparedRows counts rows by what comparing them came to.
type ComparedRows struct {
	// Equal rows contribute in the store what the source says. A row that cannot be
	// mapped is equal if the store has it marked so, or does not know it.
	Equal int64 `json:"equal"`
	// Different rows contribute something else, or are marked as one does not know them.
	Different int64 `json:"different"`
	// Missing rows contribute something, and the store does not know them.
	Missing int64 `json:"missing"`
	// Extra rows are known to the store, and the source does not have them.
	Extra int64 `json:"extra"`
	// Unchecked rows could not be compared: no feed of their table under their
	// mapping counts in the store.
	Unchecked int64 `json:"unchecked"`
}

// Plus returns the sums of r and o.
func (r ComparedRows) Plus(o ComparedRows) ComparedRows {
	r.Equal += o.Equal
	r.Different += o.Different
	r.Missing += o.Missing
	r.Extra += o.Extra
	r.Unchecked += o.Unchecked
	return r
}

// Drift counts the rows that the store has wrong.
func (r ComparedRows) Drift() int64 { return r.Different + r.Missing + r.Extra }

// DriftKind says in what a row differs.
type DriftKind string

// The ways in which the store may have a row wrong.
const (
	DriftDifferent DriftKind = "different"
	DriftMissing   DriftKind = "missing"
	DriftExtra     DriftKind = "extra"
)

// Difference is one row that the store had wrong.
type Difference struct {
	Kind    DriftKind
	Table   string
	Mapping inventory.MappingID
	Row     cdc.RowKey
	// Source is what the row contributes by the source, Store by the store. Each
	// has a problem as well if the row is, or is marked as one, that cannot be mapped.
	Source, Store Stated
}

// Stated is what one side says about a row.
type Stated struct {
	Contributions []inventory.Contribution
	Problem       *inventory.Problem
}
