package stockstore

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather lets the outbox fill for as long as batches of a backlog keep
// coming, at most for its age and thirty seconds.
func TestGather(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		age     time.Duration
		applies int // one every 100 ms
		clears  int // the batch that ends the backlog of a worker of this process
		behind  bool
		rows    []int64 // outbox rows of the worker's batches
		cancel  time.Duration
		want    time.Duration
	}{
		"nothing is applied":          {age: time.Minute, want: 2 * time.Second},
		"applies stop":                {age: time.Minute, applies: 10, want: 3 * time.Second},
		"a little late":               {age: 300 * time.Millisecond, applies: 200, want: 300 * time.Millisecond},
		"hours late":                  {age: time.Hour, applies: 400, want: 20 * time.Second},
		"not late":                    {age: 0, applies: 200, want: 0},
		"a slow worker is behind":     {age: time.Hour, behind: true, want: 20 * time.Second},
		"the worker catches up":       {age: time.Hour, applies: 200, clears: 20, want: 2 * time.Second},
		"another worker is behind":    {age: time.Hour, applies: 400, clears: 20, behind: true, want: 20 * time.Second},
		"rows of one without":         {age: time.Hour, applies: 400, clears: 20, behind: true, rows: []int64{7}, want: 2 * time.Second},
		"the clock of a source leads": {age: -time.Hour, applies: 200, want: 0},
		"the daemon is ending":        {age: time.Minute, applies: 200, cancel: 250 * time.Millisecond, want: 250 * time.Millisecond},
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
				if test.behind {
					s.backlog.note("wms", true, nil)
				}
				go func() {
					for i := range test.applies {
						select {
						case <-time.After(100 * time.Millisecond):
							if test.clears > 0 {
								s.backlog.note("erp", i+1 < test.clears, test.rows)
							}
							s.wakeRelay("somebody else")
						case <-t.Context().Done():
							return
						}
					}
				}()
				began := time.Now()
				fresh := s.gather(ctx, test.age)
				if got := time.Since(began); got != test.want {
					t.Errorf("gathered for %v, want %v", got, test.want)
				}
				if !slices.Equal(fresh, test.rows) {
					t.Errorf("rows of sources without a backlog are %v, want %v", fresh, test.rows)
				}
			})
		})
	}
}
