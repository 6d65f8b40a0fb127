package connector

import (
	"testing"
	"time"
)

// TestLiveWindow finds how many rows a store applies in time, whatever its rate, and
// is at its least soon when the store gets slow.
func TestLiveWindow(t *testing.T) {
	t.Parallel()
	const overhead = 5 * time.Millisecond
	for rate, want := range map[int]int{5_000: windowLeast, 50_000: 750, 1_000_000: windowMost} { // in 15 ms
		var w liveWindow
		took := func() time.Duration { return overhead + time.Duration(w.rows())*time.Second/time.Duration(rate) }
		sum, rounds := 0, 1_000
		for range rounds {
			w.learn(took())
			sum += w.rows()
			if r := w.rows(); r < windowLeast || r > windowMost || w.chunk() > r || w.chunk() < liveChunkLeast {
				t.Fatalf("%d rows in chunks of %d", r, w.chunk())
			}
		}
		if mean := sum / rounds; mean < want*3/4 || mean > want*5/4 {
			t.Errorf("at %d rows/s the window is about %d rows, want about %d", rate, mean, want)
		}
		slow := 0
		for ; w.rows() > windowLeast && slow <= 10; slow++ {
			w.learn(time.Second)
		}
		if slow > 10 {
			t.Errorf("%d chunks were late before the window was at its least", slow)
		}
	}
}
