package cdc

// FindingState is how a requirement stands.
type FindingState string

// The states of a finding.
const (
	// FindingOK: the requirement is met.
	FindingOK FindingState = "ok"
	// FindingWarning: it works today, and may hurt later.
	FindingWarning FindingState = "warning"
	// FindingProblem: it cannot work until somebody acts.
	FindingProblem FindingState = "problem"
)

// Finding is what a preflight check found about one requirement of a source, a
// store or a cache.
type Finding struct {
	// Requirement names what is needed, and of which object: "key of table public.bin_stock".
	Requirement string
	State       FindingState
	// Detail says what was found. It never contains a secret.
	Detail string
	// Fix is the exact SQL or step that mends it, empty if nothing needs to be
	// done. It may have several lines. Nobody but an operator ever executes it.
	Fix string
}
