// Package connector is the engine: it moves row changes from a source to its
// log (capture), from the log to the store (deliver), from the store to the
// levels stream (relay) and from there to the cache (project).
//
// Data flows one way. Each of the four loops owns one step, restarts from what
// its destination durably holds, and knows the systems at its ends only through
// the ports in this package. One retry path serves all four; a lease chooses
// which daemon runs a loop, and the destination's own checks (expected
// sequence, position fence, session) decide what it may write.
package connector
