package stockstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather lets the outbox fill for as long as batches keep coming, at most for
// the time asked for and five seconds.
func TestGather(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait    time.Duration
		applies int // one every 100 ms
		cancel  time.Duration
		want    time.Duration
	}{
		"nothing is applied":   {wait: time.Minute, want: 500 * time.Millisecond},
		"applies stop":         {wait: time.Minute, applies: 10, want: 1500 * time.Millisecond},
		"a little late":        {wait: 300 * time.Millisecond, applies: 100, want: 300 * time.Millisecond},
		"hours late":           {wait: time.Hour, applies: 100, want: 5 * time.Second},
		"not late":             {wait: 0, applies: 100, want: 0},
		"the daemon is ending": {wait: time.Minute, applies: 100, cancel: 250 * time.Millisecond, want: 250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &Store{wake: make(chan struct{}, 1)}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				go func() {
					for range test.applies {
						select {
						case <-time.After(100 * time.Millisecond):
							s.wakeRelay("somebody else")
						case <-t.Context().Done():
							return
						}
					}
				}()
				began := time.Now()
				s.gather(ctx, test.wait)
				if got := time.Since(began); got != test.want {
					t.Errorf("gathered for %v, want %v", got, test.want)
				}
			})
		})
	}
}
