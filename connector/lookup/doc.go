// Package lookup keeps the rows of reference tables in memory, so that the rows
// of another table can be mapped by what they refer to: of each row its key and
// the columns that a mapping names, and nothing else.
//
// A Table is made for millions of rows that seldom change: a row costs its texts,
// about a byte for each of them, and some twenty bytes more. Rows are found by their
// keys, of one column or several, and by columns that refer to other rows (Index);
// whether there is a row, by any columns (Group). It knows nothing of
// where rows come from or of what they mean. It is used by one goroutine.
//
// Invariants:
//   - A key has one row at most. What Find, Value and Key return is what the last
//     Put of the key said.
//   - Refs are given in the order of the first Put of their keys for as long as
//     nothing is deleted.
//   - Texts that were handed out stay valid, whatever happens to the table.
//   - Nothing here allocates for a row that is read.
package lookup
