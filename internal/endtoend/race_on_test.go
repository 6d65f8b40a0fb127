//go:build race

package endtoend_test

// buildTags are those of the binary under test. It detects races where its tests do.
var buildTags = []string{"failpoint", "race"}
