package postgres

import (
	"testing"
	"time"
)

// TestAnswerWaitsForTheToken: while commits from before the token are read again,
// no keepalive makes progress, because who would take it for a boundary would not
// know of the commits that are yet to come and may be invisible.
func TestAnswerWaitsForTheToken(t *testing.T) {
	t.Parallel()
	const from = 1000
	d := newDecoder(Config{PartRows: 1}.WithDefaults(), token{from, server{"7", 1}}, nil, new(confirmation))
	r := &reader{decoder: d, owed: true, eager: time.Now().Add(time.Hour)}
	answers := func(position lsn) int {
		d.passed(position)
		r.answered(position)
		ready, _ := d.take()
		return len(ready)
	}
	for _, step := range []struct {
		position lsn
		open     bool
		want     int
		why      string
	}{
		{from - 1, false, 0, "before the token"},
		{from, true, 0, "inside a transaction"},
		{from, false, 1, "at the token"},
		{from, false, 0, "nobody waits any more"},
		{from + 1, false, 1, "further, while the answer may be yet to come"},
		{from + 2, true, 0, "inside a transaction"},
	} {
		d.open = step.open
		if got := answers(step.position); got != step.want {
			t.Errorf("keepalive at %s (%s): %d emitted, want %d", step.position, step.why, got, step.want)
		}
	}
	d.open, r.eager = false, time.Time{}
	if got := answers(from + 3); got != 0 {
		t.Errorf("a keepalive that nobody asked for: %d emitted, want 0 before the next tick", got)
	}
}
