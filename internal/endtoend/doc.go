// Package endtoend tests the built binary as a whole: real source databases,
// stores and caches, processes that are killed and paused, and a random workload
// whose result is compared with the same numbers computed by SQL in the source.
//
// It holds tests only.
package endtoend
