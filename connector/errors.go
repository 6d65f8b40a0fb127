package connector

import (
	"errors"
	"fmt"

	"tailstock/connector/inventory"
)

// Errors that decide what a loop does next. Adapters wrap them with the
// operation and the object.
var (
	// ErrLeaseLost is returned when another daemon holds the lease. The loop ends.
	ErrLeaseLost = errors.New("lease lost to another daemon")
	// ErrLogChanged is returned when a log's id, last sequence or last message is
	// not what this run left there. The loop begins a new run.
	ErrLogChanged = errors.New("the log is not as this run left it")
	// ErrNoLog is returned when a stream to be read has not been made yet.
	ErrNoLog = errors.New("the stream does not exist yet")
	// ErrFenced is returned when a store or cache is not where the caller
	// believes: another worker is ahead, or it was restored. The loop reads its state again.
	ErrFenced = errors.New("fenced: the destination is not where this worker left it")
)

// MappingConflictError is returned by a store that holds a table under another
// mapping than the one that a message was made with.
type MappingConflictError struct {
	Source, Table string
	Held, Offered inventory.MappingID
}

// Error names both mappings.
func (e *MappingConflictError) Error() string {
	return fmt.Sprintf("source %s: table %s is held under mapping %s, and the log has it under %s; "+
		"put the old mapping back, or start with an empty store and log", e.Source, e.Table, e.Held, e.Offered)
}

// LogGapError is returned when a source's log no longer has what a store needs.
type LogGapError struct {
	Source string
	Detail string
}

// Error says what is missing and what the operator can do.
func (e *LogGapError) Error() string {
	return fmt.Sprintf("source %s: the log no longer has what the store needs: %s; "+
		"start with an empty store and log, from a source at rest", e.Source, e.Detail)
}

// RejectError is returned by a capture that is configured to stop at a row that
// it cannot map.
type RejectError struct{ Reject Reject }

// Error names the row, the rule and the reason.
func (e *RejectError) Error() string {
	r := &e.Reject
	return fmt.Sprintf("source %s: table %s row %s cannot be mapped: %s: %s (transaction %s at %s); "+
		"mend the row or the mapping, or set on_reject: keep",
		r.Source, r.Table, r.Row, r.Problem.Rule, r.Problem.Reason, r.Transaction, r.At)
}
