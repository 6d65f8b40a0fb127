// Package postgres follows a PostgreSQL database (13 to 18, the primary) by
// logical decoding: a replication slot with the pgoutput plugin, protocol
// version 1, through a publication that belongs to the DBA.
//
// It never writes to the source. The one thing that it creates is its slot; it
// takes no lock but the one that every SELECT takes, adds no table, changes no
// setting but those of its own sessions. It decodes nothing but the wanted
// tables, and of them nothing but the wanted columns and the key.
//
// Beside the stream it reads tables in chunks, as connector/backfill asks for
// them: each in a transaction of its own, that locks the table against DDL, takes
// a snapshot, and reads rows in the order of the key's index.
//
// # Positions
//
// A resume token holds an LSN with the meaning that PostgreSQL gives to
// confirmed_flush_lsn: every commit whose commit record starts before it has
// been emitted, every commit whose record starts at or after it has not. After
// a transaction it is the end of the commit record, and not the start: a commit
// record may start exactly where the one before it ended (observed), and a
// keepalive reports ends, so only "starts at or after the token" tells the next
// transaction from the last one. The same number may be handed to the server as
// it is. The LSNs of the protocol's data messages are not used: they go
// backwards from one transaction to the next, and are zero for some messages.
//
// # Invariants
//
//   - Reading begins at the slot's confirmed position, emitting at the token.
//     What lies between is read again, because a commit is streamed before it
//     is visible and the set of such commits must be known (see below).
//   - The first token of a slot is emitted only once every commit before it is
//     visible: the stream never brings those.
//   - The server is told a position only if it is durable downstream (Confirm)
//     and every commit before it is visible to a snapshot of the server.
//   - Nothing is skipped: an unknown message, an unknown table of a known name,
//     a column that went away, a shortened message end Tail with an error.
//   - Memory does not grow with the size of a transaction, the backlog, or the
//     time that downstream blocks. It grows with the largest single row, which
//     PostgreSQL sends as one message.
//
// # Goroutines
//
// Tail runs three: its own, which calls emit; the reader, which reads and
// decodes the socket and answers the server also while emit blocks; and the
// monitor, which asks the server on an ordinary connection what is visible and
// how the slot fares. All have ended when Tail returns. Read, Complete, Estimate,
// Sample, Describe and Check run in their callers' goroutines, on connections of
// their own, beside Tail or without it.
package postgres
