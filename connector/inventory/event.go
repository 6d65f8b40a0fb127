package inventory

import (
	"time"

	"tailstock/connector/cdc"
)

// MappingID identifies a mapping by content: the first 16 hexadecimal digits of
// the SHA-256 of its canonical text.
type MappingID string

// ProblemKind says why an event has no contributions of its own.
type ProblemKind string

const (
	// Rejected means that the row cannot be mapped as it stands.
	Rejected ProblemKind = "rejected"
	// Unresolved means that a lookup row it needs has not arrived.
	Unresolved ProblemKind = "unresolved"
)

// Problem explains why a row could not be mapped. The store keeps the row's
// last good contributions and marks them with it.
type Problem struct {
	Kind ProblemKind
	// Rule is the path of the rule that failed ("contributes[0].on_hand").
	Rule   string
	Reason string
}

// Event states all that one row contributes under one mapping after a commit.
// It replaces what the row contributed before: a leg that is not listed is
// withdrawn. With OpTruncate it withdraws every row of the table.
type Event struct {
	Op      cdc.Op
	Table   string
	Mapping MappingID
	// Row is the row's key, empty for OpTruncate.
	Row           cdc.RowKey
	Contributions []Contribution
	// Problem is nil for a good event. Otherwise Contributions is empty and means nothing.
	Problem *Problem
}

// Commit is one source transaction as far as it touched mapped tables, or one
// part of it.
type Commit struct {
	Transaction string
	// CommittedAt has microseconds at most.
	CommittedAt time.Time
	// At is where the source's log has the commit, for people.
	At string
	// Load is set for rows that were read for a load, which go to its feeds alone.
	Load Position
	// Compare is set for rows that were read for a verification, which it names: a
	// store says whether it holds what they state, and changes nothing; with Repair
	// it then takes those that differ. Their events have the ops read and, for rows
	// that the source does not have, delete.
	Compare string
	Repair  bool
	Events  []Event
	// Rederive is what the commit makes wrong in rows that it did not touch: a value
	// changed that they look up. They are read and stated again in what follows, up to
	// the Rederived that names this message or a later one. Of a commit in parts the
	// last part has it.
	Rederive []Rederive
	// Part counts the parts of a commit that is too large for one message, from
	// 0; Last marks the final one. A whole commit is part 0 and last.
	Part int
	Last bool
}

// Rederive names rows of a table: those whose columns have one of the values, or all
// of them if there are no columns.
type Rederive struct {
	Table   string
	Columns []string
	// Values have a canonical text for each of the columns.
	Values [][]string
}

// Whole reports whether c is not split.
func (c *Commit) Whole() bool { return c.Part == 0 && c.Last }

// FeedName is a table under one mapping: what a feed in a store holds.
type FeedName struct {
	Table   string
	Mapping MappingID
}

// Message is one message of a source's log: whole commits, or one part of one,
// or a control event.
type Message struct {
	Source string
	// Position is the message's own, Previous that of the message before it in
	// the log, zero for the first.
	Position Position
	Previous Position
	// Resume is the source's token to go on from after this message.
	Resume  cdc.Resume
	Commits []Commit
	// Feeds is set in the first message of a run: what the run captures.
	Feeds []FeedName
	// The other control events, of which a message holds one at most and then no commits.
	LoadStarted   *LoadStarted
	Chunk         *ChunkMarker
	LoadCompleted *LoadCompleted
	SourceGap     *SourceGap
	Rederived     *Rederived
}

// Partial reports whether m is a part of a commit other than its last.
func (m *Message) Partial() bool {
	return len(m.Commits) == 1 && !m.Commits[0].Last
}
