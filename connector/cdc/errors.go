package cdc

// SetupError is returned when a source is not set up as its configuration
// needs: a missing publication, grant, table, column or key. Nothing is lost;
// it goes away once an operator has acted.
type SetupError struct {
	// Object is what the error is about: `publication "tailstock_erp"`, `table public.bin_stock`.
	Object string
	// Problem says what is wrong with it, in lower case.
	Problem string
	// Fix is the exact SQL or step that mends it. It may have several lines.
	Fix string
	// Err is the cause, if another error is.
	Err error
}

// Error returns "object: problem" with the cause and the fix.
func (e *SetupError) Error() string {
	s := e.Object + ": " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Fix != "" {
		s += "; to fix: " + e.Fix
	}
	return s
}

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }

// GapReason names how a source lost the continuity of its log.
type GapReason string

// The ways in which a source can fail to deliver everything after a token.
const (
	// GapSlotMissing: the replication slot that held our place is gone.
	GapSlotMissing GapReason = "slot_missing"
	// GapSlotLost: the slot is there but the server removed the log it needs.
	GapSlotLost GapReason = "slot_lost"
	// GapSlotAdvanced: the slot stands beyond our token: it was dropped and made anew, or moved by hand.
	GapSlotAdvanced GapReason = "slot_advanced"
	// GapSlotForeign: the slot has another plugin or database than ours.
	GapSlotForeign GapReason = "slot_foreign"
	// GapServerReplaced: another server answers at this address.
	GapServerReplaced GapReason = "server_replaced"
	// GapDiverged: the server's history left ours before our token (failover, point-in-time recovery).
	GapDiverged GapReason = "diverged"
	// GapLogPurged: the server removed log that we have not read.
	GapLogPurged GapReason = "log_purged"
	// GapLogLost: our own log lost the messages from which to go on.
	GapLogLost GapReason = "log_lost"
	// GapSkipped: the server skipped changes, for want of the publication.
	GapSkipped GapReason = "changes_skipped"
)

// GapError is returned when a source cannot deliver everything after the resume
// token: changes are lost, and only loading the tables anew makes the numbers
// right. Retrying does not help.
type GapError struct {
	Reason GapReason
	// Detail says what was found and what was expected.
	Detail string
	// Fix says what the operator can do.
	Fix string
}

// Error returns the reason, the detail and the fix.
func (e *GapError) Error() string {
	s := "source log continuity lost (" + string(e.Reason) + "): " + e.Detail
	if e.Fix != "" {
		s += "; to fix: " + e.Fix
	}
	return s
}
