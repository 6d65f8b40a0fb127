// Package tailing has what a source's tail is made of, whatever log it reads: the
// queue between the goroutine that decodes and the one that emits, the slabs that
// rows are cut from, one description for each version of a table, and the wait for
// a transaction to become visible. It knows no protocol.
package tailing
