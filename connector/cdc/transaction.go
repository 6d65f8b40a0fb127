package cdc

import (
	"context"
	"time"
)

// Op is what happened to a row.
type Op uint8

// The operations on rows. OpRead is a row that a backfill read.
const (
	OpInsert Op = iota + 1
	OpUpdate
	OpDelete
	OpTruncate
	OpRead
)

var opNames = [...]string{"", "insert", "update", "delete", "truncate", "read"} //nolint:gochecknoglobals // a constant of an array type

// String returns the lower-case name of o, as it stands on the wire.
func (o Op) String() string {
	if int(o) < len(opNames) && o > 0 {
		return opNames[o]
	}
	return "unknown"
}

// ParseOp returns the Op with the given name, or false.
func ParseOp(s string) (Op, bool) {
	for i := 1; i < len(opNames); i++ {
		if opNames[i] == s {
			return Op(i), true
		}
	}
	return 0, false
}

// Change is one row operation, or the truncation of a table.
type Change struct {
	Op    Op
	Table *Table
	// Before is the row before the change, for updates and deletes. Only its key
	// columns are certain to be there; the others are Unchanged unless the source
	// sends full images. It is nil for inserts and truncates, and for updates
	// that left the key as it was and came without a before image.
	Before Row
	// After is the row after the change: nil for deletes and truncates.
	After Row
}

// Transaction is one source commit, or one part of a commit that is too large
// to hold. An empty Transaction with an ID of "" is progress alone: the source
// has nothing for us up to Resume.
type Transaction struct {
	// ID is the source's own identifier (a PostgreSQL xid, a GTID). All parts of a commit share it.
	ID string
	// CommittedAt is the source's commit time.
	CommittedAt time.Time
	// At is where the source's log has the commit, for people only.
	At      string
	Changes []Change
	// Part counts the parts of a commit from 0; Last marks the final one. A
	// commit that was not split is part 0 and last.
	Part int
	Last bool
	// Resume is the token to go on from once this is durable: after the commit
	// for the last part, before it for every earlier part.
	Resume Resume
	// More says that the source has another transaction, or progress, at hand,
	// and emits it next without waiting for anything: whoever packs transactions
	// need not send this one off alone.
	More bool
}

// Progress reports whether t carries nothing but a newer Resume.
func (t *Transaction) Progress() bool { return t.ID == "" }

// Resume is a place in a source's log together with the identity of the server
// that has it: from where to read, and after which transaction to emit. It
// belongs to the adapter that made it; others store it and compare it for
// equality only. The empty Resume stands for "nothing read yet".
type Resume string

// EmitFunc takes the next transaction, or part of one, from a source. It blocks
// for as long as downstream needs: that is the backpressure. The transaction
// and everything it refers to belong to the callee. After an error the source
// must stop and return that error.
type EmitFunc func(ctx context.Context, t *Transaction) error
