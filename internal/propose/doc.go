// Package propose reads the mapping of a database that nobody has described from
// its schema: which tables hold stock, what their columns mean in terms of SKU,
// location and quantities, which rows count, and why. It is what "tailstock init"
// writes down.
//
// It is pure: a survey of the database goes in, a proposal comes out, the same
// proposal for the same survey. It begins with words: names of tables and columns
// are taken apart into the words that they are made of, in several languages, and
// words have meanings. Types, keys, foreign keys, declared values and a few rows
// then say which of the meanings hold.
//
// A proposal is never more certain than what it rests on. Every line says what that
// is. Where the same stock may stand in two tables, one is proposed and the other
// is an alternative, because the sum of both would be wrong; where nothing says
// which rows count, the table is an alternative, too. What cannot be mapped at all
// (rows that set a stock instead of adding to it, rows without a key) is refused
// with the reason.
package propose
