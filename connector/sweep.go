package connector

import (
	"context"
	"time"
)

// SweepFunc deletes a bounded number of rows that nothing needs any more from a
// store, and reports whether there are more to delete.
type SweepFunc func(ctx context.Context) (more bool, err error)

// Sweep deletes what flips and TRUNCATE left behind in a store, a little at a
// time, so that nobody waits for it.
type Sweep struct{ sweep SweepFunc }

// NewSweep returns a Sweep. It does nothing until Run.
func NewSweep(sweep SweepFunc) *Sweep { return &Sweep{sweep} }

// sweepEvery is how often a store without anything to sweep is looked at. While
// there is something, sweeping takes about half of the time.
const sweepEvery = 5 * time.Second

// Run sweeps until ctx ends or something fails. It returns nil only when ctx ended.
func (s *Sweep) Run(ctx context.Context, progress Progress) error {
	for {
		began := time.Now()
		more, err := s.sweep(ctx)
		if err != nil {
			return drained(ctx, err)
		}
		progress.Beat()
		pause := sweepEvery
		if more {
			pause = time.Since(began)
		}
		if err := sleep(ctx, pause); err != nil {
			return nil //nolint:nilerr // ctx ended
		}
	}
}
