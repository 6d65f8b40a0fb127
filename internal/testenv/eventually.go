package testenv

import (
	"testing"
	"time"
)

// Eventually waits until condition holds, polling, and fails the test when it
// does not within limit. explain, if not nil, says what was there instead.
func Eventually(tb testing.TB, limit time.Duration, condition func() bool, explain func() string) {
	tb.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			why := ""
			if explain != nil {
				why = ": " + explain()
			}
			tb.Fatalf("condition did not hold within %s%s", limit, why)
		}
	}
}
