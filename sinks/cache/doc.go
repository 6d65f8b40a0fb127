// Package cache keeps the levels of the levels stream in Redis or Valkey, for a
// storefront to read.
//
// It implements connector.Cache. It does not read the levels stream, decide when
// to replay it or who may work: the engine's projection does.
//
// What is in Redis (a namespace puts "<namespace>:" before every name):
//
//	stock:{<sku>}   a hash: available:<location> and version:<location> per location,
//	                and in total available, sellable (the sum of what is not negative)
//	                and locations (how many have a number). Quantities are exact
//	                decimals. A location that is gone has a version alone; a hash
//	                without totals has nothing to sell.
//	stock:place     a hash: the place in the levels stream, and the mark of the last replay
//	stock:changed   a channel: the SKU whose numbers changed, as they are set
//
// Invariants:
//   - The script that applies levels compares the place and moves it, so Redis is
//     never behind or beside its place: one that was emptied, restored or promoted
//     is at the place that it says.
//   - A script changes all or nothing, and no script runs long: it reads a bounded
//     number of fields, and tells how far it came.
//   - Outside a replay, a cell's version only grows.
//   - The cells whose version carries the mark of the running replay are at least
//     those that the stream holds up to the place.
//
// The version of a cell is session and sequence, sixteen digits each, and behind a
// colon the mark of the replay that wrote it, if one did.
//
// Redis Cluster is not supported: a batch of levels is one script, and its keys
// live in one place.
package cache
