package inventory

import (
	"cmp"
	"time"
)

// Version orders the levels of a cell: the session that published a level, and
// its sequence in the levels stream. Both stay below 2^53, which Lua and
// JavaScript read exactly.
type Version struct {
	Session  uint64
	Sequence uint64
}

// Compare returns -1, 0 or +1 as v is older than, equal to or newer than o.
func (v Version) Compare(o Version) int {
	if c := cmp.Compare(v.Session, o.Session); c != 0 {
		return c
	}
	return cmp.Compare(v.Sequence, o.Sequence)
}

// Level is what a cell holds, as published.
type Level struct {
	Cell
	Quantities Quantities
	Version    Version
	// Gone marks a cell that no row contributes to any more. Its quantities are zero.
	Gone bool
	// UpdatedAt is when the store changed the cell.
	UpdatedAt time.Time
	// Source, Transaction and CommittedAt name the source commit that caused the
	// latest change. They are zero when a walk published the cell.
	Source      string
	Transaction string
	CommittedAt time.Time
}

// LevelMessage is one message of the levels stream: a level, and what a
// consumer needs to prove that it has missed nothing.
type LevelMessage struct {
	Level
	// First is the sequence at which the session began.
	First uint64
	// After is the session before this one: that of the message before First, zero
	// if there was none. It is the same for every message of a session.
	After uint64
	// Namespace is that of the installation, empty for none. It only tells apart
	// the events of several installations, in their CloudEvents source.
	Namespace string
}
