package postgres

import (
	"slices"
	"strings"

	"tailstock/internal/spelling"
)

// maxSuggestions bounds how many near misses an error names.
const maxSuggestions = 3

// nearMisses returns those of candidates that a person may have meant by name:
// equal but for the case, or at most two edits away, nearest first.
func nearMisses(name string, candidates []string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	lower := strings.ToLower(name)
	limit := min(2, len(name)/3)
	for _, candidate := range candidates {
		if d := spelling.Distance(lower, strings.ToLower(candidate), limit); d <= limit {
			found = append(found, near{candidate, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, f := range found[:min(len(found), maxSuggestions)] {
		names = append(names, f.name)
	}
	return names
}
