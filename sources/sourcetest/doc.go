// Package sourcetest is the conformance suite of source adapters: Run asserts,
// against a real server, every behaviour that the engine relies on. An adapter
// brings a Harness and passes all of it; where its database cannot do something
// it declares so in Features, and the test says that it was skipped for that.
//
// The suite knows an adapter only by its methods and a server only by SQL that
// all of them share. What is particular to one database belongs into the tests
// of its adapter.
//
// Invariants of the suite:
//   - Nothing is asserted by waiting for a while and finding nothing: what must
//     not be delivered is looked for behind a later commit that was.
//   - Commits are known by what they wrote, never by the adapter's identifiers.
package sourcetest
