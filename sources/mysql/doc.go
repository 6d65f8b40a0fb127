// Package mysql follows a MySQL (5.7 to 9), Percona Server or MariaDB (10.5 to 11)
// server by its binary log, as a replica does, in row format.
//
// It never writes to the source: it makes nothing, changes no setting but those of
// its own sessions, and takes no lock but the ones that a SELECT takes. It decodes
// nothing but the wanted tables, and of them nothing but the wanted columns and the
// key.
//
// Beside the stream it reads tables in chunks, as connector/backfill asks for them:
// each in a transaction of its own with a consistent snapshot, in the order of the
// key's index.
//
// # Positions
//
// Servers with GTIDs (all of MariaDB's, and MySQL's with gtid_mode=ON) are read by
// those: a resume token holds the set, or MariaDB's last GTID of each domain, of all
// that was emitted, and any server that has executed it, and not removed what
// follows, may take the place of another. Other servers are read by file and
// offset. Every token has the place as well, because chunks are compared by it.
// Offsets are counted in 64 bits; the headers of events have the lower half.
//
// A token may tell to read from further back than to emit: XA transactions log
// their rows when they are prepared and the decision later, and a MySQL without
// GTIDs does not tell which transactions are visible, so that the newest must be
// known (see ring).
//
// # Invariants
//
//   - Nothing is skipped: an unknown event, a statement instead of rows, a table that
//     was replaced by another, columns that cannot be named for certain end Tail with an error.
//   - A column that an event leaves out is Unchanged, never NULL. Session settings
//     change row images, so each event is looked at.
//   - The values of the stream are, byte for byte, those that a session reads by
//     prepared statement with UTF-8 and the time zone UTC.
//   - The first token of a source has every commit before it visible.
//   - Checksums are verified. The connection is never made anew behind our back.
//   - Memory does not grow with the size of a transaction, compressed or not, the
//     backlog, or the time that downstream blocks. It grows with the largest event,
//     and with XA transactions that are prepared, up to a limit.
//
// # Goroutines
//
// Tail runs three: its own, which calls emit; the library's, which reads packets
// and in which events are decoded; and the monitor, which watches the server on an
// ordinary session and asks where its log ends. All have ended when Tail returns.
// Read, Complete, Estimate, Sample, Describe and Check run in their callers'
// goroutines, on sessions of their own, beside Tail or without it.
package mysql
