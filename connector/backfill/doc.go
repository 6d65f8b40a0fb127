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
//
// Why this is exact. A transaction that the chunk may lack was delivered before
// the window opened, and then it was marked or visible already, so that the chunk
// sees it; or afterwards, and then the window has its rows. A transaction that the
// chunk sees was delivered before the chunk is placed, so that nothing in the chunk
// is from the future. A row is dropped only if the stream delivered its newer
// state. This rests on three things outside the package: every transaction is
// recorded, whether it maps to anything or not; every streamed row is complete,
// completed from the source if need be; and a source is only told that a
// transaction is durable when it is visible too, because a restart takes for
// perhaps invisible what the source sends again. Dropping every row that the window
// has would be right as well; asking the view keeps those that are the same anyway.
//
// Memory: a window holds at most as many row keys as its Recorder allows. One that
// would hold more forgets them all, and its chunk is read again, half as large.
//
// A Planner drives this for one table: see the example for the loop around it.
package backfill
