// Package stockstore is the stock store: the SQL database that holds what every
// source row contributes, the levels that these contributions add up to, and
// what is still to be published of them. PostgreSQL (13 and later) and SQLite.
//
// It implements connector.Store (applying the logs) and connector.RelayStore
// (publishing levels), and reads for people. It does not read logs, publish
// levels, map rows or decide who may work: a worker that lost its place is
// stopped by the fence, not by a lease.
//
// Invariants:
//   - A transaction that writes contributions of a source first locks the row of
//     source_state and checks the position, so every contribution and cell has
//     one writer and sources never wait for each other.
//   - In every committed state, a cell of a feed is the sum of the feed's
//     contributions to it, and a cell whose sum changed is listed in the outbox
//     or covered by a walk until its level is known to be published.
//   - Quantities are int64 millionths everywhere but in the views.
//   - A cell once written keeps its row for as long as its feed exists.
//
// The statements are the same for both databases where the SQL is; what is not
// lives in the files postgres*.go and sqlite*.go, behind the interfaces of
// database.go.
package stockstore
