// Package cases runs the directories of testdata/cases: a schema, a mapping and
// transactions of one behaviour of a real ERP, with the levels after each commit.
// The README there says how they are written.
//
// Whole daemons run in this process, on real source databases and with stores and
// a NATS server of their own. It holds tests only.
package cases
