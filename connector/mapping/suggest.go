package mapping

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/internal/spelling"
)

// maxListed is how many names an error lists.
const maxListed = 40

// listNames says which names there are, the one most like name first.
func listNames(name string, names []string) string {
	listed := slices.Clone(names)
	if i := nearest(name, listed); i >= 0 {
		like := listed[i]
		listed = slices.Insert(slices.Delete(listed, i, i+1), 0, like)
	}
	more := ""
	if len(listed) > maxListed {
		more = fmt.Sprintf(" and %d more", len(listed)-maxListed)
		listed = listed[:maxListed]
	}
	return strings.Join(listed, ", ") + more
}

// nearest returns the index of the name that name may be a misspelling of, or -1.
func nearest(name string, names []string) int {
	best, at := len(name)/3+2, -1
	for i, n := range names {
		if strings.EqualFold(n, name) {
			return i
		}
		if d := spelling.Distance(name, n, best-1); d < best {
			best, at = d, i
		}
	}
	return at
}
