// Package cdc is the vocabulary of change data capture: transactions of row
// changes as a source database committed them, and the resume token that says
// where to go on reading.
//
// It knows nothing about any one database, about stock, or about where changes
// go. Every adapter under sources/ produces these types; the mapping and the
// capture loop consume them.
//
// Invariants:
//   - Changes arrive in commit order, and within a transaction in the order in
//     which the source made them.
//   - A Value says whether it is present, NULL, or was not sent by the source
//     (unchanged). "Not sent" is never represented as NULL.
//   - A Resume token is opaque outside the adapter that made it. Nothing here
//     or above compares two tokens for order, only for equality.
package cdc
