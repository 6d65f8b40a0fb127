package connector

import (
	"fmt"

	"tailstock/connector/inventory"
)

// logPlace is where a store stands in a source's log.
type logPlace struct {
	logID string
	// stored is the position that the store durably holds.
	stored inventory.Position
	// at is the position of the last message taken: at or above stored, above it
	// while the parts of a commit are buffered or a batch waits to be applied.
	at inventory.Position
}

type readVerdict uint8

const (
	// readTake: the message comes next.
	readTake readVerdict = iota + 1
	// readSkip: the store has it.
	readSkip
	// readSeek: messages are missing before it.
	readSeek
)

// judge decides on the next message by the log's own numbers. Stream sequences
// take no part: a tail lost in a power cut and appended again reuses them, and a
// reader sees no gap.
func (p *logPlace) judge(m *inventory.Message) readVerdict {
	switch {
	case m.Position.Compare(p.at) <= 0:
		return readSkip
	case m.Previous.Compare(p.at) <= 0:
		return readTake
	default:
		return readSeek
	}
}

// judgeLog decides whether a store in the given state can go on with a log. If it
// cannot, it returns to where the store must be rebased, and why. What lies before
// hole, if that is not zero, is lost.
func judgeLog(source string, state SourceState, tail LogTail, hole inventory.Position) (r Rebase, why string) {
	r = Rebase{Source: source, ExpectLog: state.LogID, Expect: state.Position, LogID: tail.ID, Position: tail.OldestPrevious}
	switch {
	case state.LogID != "" && state.LogID != tail.ID:
		return r, fmt.Sprintf("the store was filled from log %s up to %s, and the log is now %s", state.LogID, state.Position, tail.ID)
	case !tail.Empty && state.Position.Before(tail.OldestPrevious):
		return r, fmt.Sprintf("the store stands at %s, and the oldest message follows %s", state.Position, tail.OldestPrevious)
	case state.Position.Before(hole):
		r.Position = hole
		return r, fmt.Sprintf("the store stands at %s, and the next message follows %s", state.Position, hole)
	}
	return Rebase{}, ""
}

type idleVerdict uint8

const (
	// idleSettled: everything in the log was read.
	idleSettled idleVerdict = iota + 1
	// idleBehind: the log has more than was read.
	idleBehind
	// idleAstray: the log is not the one that was read.
	idleAstray
)

// judgeIdle compares the log with what was read of it while nothing comes.
// sequence is where the last message applied in this stretch stood, zero if none.
func (p *logPlace) judgeIdle(t LogTail, sequence uint64) idleVerdict {
	switch {
	case t.ID != p.logID, t.Last < sequence:
		return idleAstray
	case p.at.Before(t.Position):
		return idleBehind
	default:
		return idleSettled
	}
}
