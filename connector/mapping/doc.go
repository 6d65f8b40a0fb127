// Package mapping turns source rows into contributions by rules that an
// operator writes. Compile checks the rules of one table, Bind fits them to the
// table's columns, and Program.Map applies them to a row.
//
// Rules are expressions in a small typed language of its own: columns, exact
// decimal arithmetic, comparisons with SQL's three-valued logic and a fixed set
// of functions. expr-lang's parser reads them; nothing of its evaluator is
// used, because its numbers are floats. docs/mapping.md is the reference.
//
// The package is pure: no I/O, no clock, no goroutines, no state. It knows
// neither where rows come from nor where contributions go.
//
// Invariants:
//   - A mapping's id changes exactly when its canonical text does, and the
//     canonical text compiles to the same mapping again.
//   - The same row gives the same result, for ever: whoever changes what an
//     expression means also raises the language number in the canonical text.
//     (Letters that a newer Unicode adds may gain a capital in upper and lower.)
//   - Evaluation always ends. Its time is bounded by the length of the
//     expression and of the row, its memory by maxMade for each operator.
//   - A row that is mapped allocates nothing unless an expression makes a text.
//   - A row that cannot be mapped is a Problem, never a guess.
package mapping
