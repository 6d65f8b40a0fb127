package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// MaxSuggestions bounds how many near misses an error names.
const MaxSuggestions = 3

// NearMisses returns those of candidates that a person may have meant by name:
// equal but for the case, or at most two edits away, nearest first, at most three.
func NearMisses(name string, candidates []string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	lower := strings.ToLower(name)
	limit := min(2, len(name)/3)
	for _, candidate := range candidates {
		if d := Distance(lower, strings.ToLower(candidate), limit); d <= limit {
			found = append(found, near{candidate, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var names []string
	for _, f := range found[:min(len(found), MaxSuggestions)] {
		names = append(names, f.name)
	}
	return names
}

// DidYouMean returns " (did you mean a or b?)" for names, nothing for none.
func DidYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (did you mean " + strings.Join(names, " or ") + "?)"
}
