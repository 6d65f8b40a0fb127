// Package backfill is the algorithm that loads rows beside the stream: chunks of
// a table are read in key order, each as of a moment of its own, and placed into
// the log at a point at which they equal the source's rows exactly. The source is
// neither locked nor written to.
//
// The package is pure: it knows neither SQL nor positions of a source's log. What
// it must know about a moment is a View, made by the adapter that read the chunk:
// which transactions the moment sees, and whether the stream has come far enough.
//
// The algorithm, for one chunk:
//  1. At a boundary between transactions, Recorder.Open opens a window on the
//     table, and Reader.Mark notes which delivered transactions may still be
//     invisible: a source delivers a commit before others can see it.
//  2. Reader.Read reads the chunk as of a moment that sees every marked
//     transaction, however often it must try.
//  3. The stream goes on. Recorder.Record notes which rows of the table each
//     transaction touches.
//  4. At the first boundary at which the view is Reached, everything that the
//     chunk saw has been delivered. Window.Merge drops the rows that a delivered
//     transaction touched which the view does not see: the stream has said
//     something newer about them. What remains is, together with the stream so
//     far, exactly the table as of that boundary; it is appended there.
//
// No position in a source's log describes a view: commits become visible in
// another order than they are logged. So chunks are merged by transaction, never
// by position.
package backfill
