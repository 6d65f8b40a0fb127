// Package architecture holds the tree to its own rules: which package may import
// which, where third-party libraries may be used, how long a file may be, and what
// must not stand in it. It reads source text alone and holds tests only.
//
// The rules are the tables at the top of imports_test.go; a change of them is a
// change of the design.
package architecture
