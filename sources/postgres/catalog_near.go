package postgres

import (
	"slices"
	"strings"
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
		if d := editDistance(lower, strings.ToLower(candidate), limit); d <= limit {
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

// editDistance returns the Levenshtein distance of a and b in bytes, or
// something above limit as soon as it is known to be above.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		best := row[0]
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, diagonal+1)
			best = min(best, row[j+1])
		}
		if best > limit {
			return limit + 1
		}
	}
	return row[len(b)]
}
