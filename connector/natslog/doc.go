// Package natslog keeps logs, levels, rejects and state on NATS JetStream, and
// runs a JetStream server inside the process where none is given. It implements
// the ports Log, LogReader, Levels, LevelsReader, Lease and Reporter of package
// connector, and it alone imports NATS.
//
// It moves opaque bodies and the numbers around them: what a body says belongs
// to package inventory, and what to do about a lost tail, a full log or a
// missing message to the loops of package connector.
//
// Invariants:
//   - A stream that must have no gaps has one writer at a time: every message
//     states the sequence that it follows, so that a lost message fails all later
//     ones and a second writer fails at once.
//   - Whoever appends or reads in order does so on a connection of its own that
//     never reconnects. Nothing that was begun before a server lost data can
//     reach it afterwards.
//   - The subject of a log names the random identity of its stream, so that the
//     server itself refuses what was meant for an earlier stream of that name.
//   - State is written by compare-and-set on a revision read under the lease.
//   - Existing streams are checked, never silently changed.
//
// A stream sequence is a hint, never an identity: a tail that was lost and
// appended again uses the same ones. Positions and stream identities are what
// readers compare.
package natslog
