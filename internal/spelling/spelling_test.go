package spelling_test

import (
	"testing"

	"tailstock/internal/spelling"
)

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3}, {"", "ab", 2}} {
		if got := spelling.Distance(c.a, c.b, 5); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := spelling.Distance(c.a, c.b, 1); (got > 1) != (c.want > 1) {
			t.Errorf("Distance(%q, %q) with limit 1 = %d, distance is %d", c.a, c.b, got, c.want)
		}
	}
}
