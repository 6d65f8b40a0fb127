package connector

import (
	"errors"
	"fmt"
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
