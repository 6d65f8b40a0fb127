//go:build !race

package endtoend_test

// buildTags are those of the binary under test.
var buildTags = []string{"failpoint"}
