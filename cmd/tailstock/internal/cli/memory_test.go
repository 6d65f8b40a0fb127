package cli

import "testing"

// TestMemoryLimit leaves the collector room whatever is live.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int64{
		0:         72 << 20,
		40 << 20:  72 << 20,
		100 << 20: 158 << 20,
		2 << 30:   3<<30 + 8<<20,
	} {
		if got := memoryLimit(live); got != want {
			t.Errorf("%d MiB live: %d MiB, want %d", live>>20, got>>20, want>>20)
		}
	}
}
