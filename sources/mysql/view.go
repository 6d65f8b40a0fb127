package mysql

import "tailstock/connector/cdc"

// view is the moment of one chunk. It implements backfill.View.
type view struct {
	server server
	// low is where the stream stood when the window opened. Everything before it is
	// seen: that was made sure of before the moment.
	low place
	// high is at or behind the end of every transaction that is seen.
	high place
	// sees replaces Sees if it is not nil.
	sees func(*cdc.Transaction) bool
}

// Sees reports whether the view certainly shows what transaction t did. What the
// server committed between the opening of the window and the moment may be seen
// and is denied: the stream says it anyway.
func (v *view) Sees(t *cdc.Transaction) bool {
	if v.sees != nil {
		return v.sees(t)
	}
	at, err := parsePlace(t.At)
	return err == nil && at.compare(v.low) < 0
}

// Reached reports whether r is a token of the view's server from behind
// everything that the view sees. It costs no allocation: the engine asks at every
// boundary while a chunk waits.
func (v *view) Reached(r cdc.Resume) bool {
	at, ok := v.server.placeOf(r)
	return ok && at.compare(v.high) >= 0
}
