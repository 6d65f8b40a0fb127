// Package inventory is the vocabulary of stock: quantities, contributions,
// levels, and the messages that carry them, with their wire form.
//
// A source row contributes quantities to cells, one cell per SKU and location.
// An Event states all that one row contributes under one mapping after a source
// commit; it replaces whatever the row contributed before. A Level is what the
// contributions to one cell add up to.
//
// The package depends on the standard library alone. It does no I/O and knows
// neither the sources nor the stores.
//
// Invariants:
//   - Quantities are exact: int64 millionths, rounded half-even once, on entry.
//   - Whatever passes Validate fits every store: limits are checked here, before
//     the log, and nowhere else.
//   - A Position names one content of a source's log for ever.
package inventory
