package cli

import (
	"context"
	"sync"

	"tailstock/connector"
	"tailstock/internal/config"
)

// verified returns run, the loop of a capture, with the verifications beside it
// that the configuration asks for, and those of tables that the source is in doubt about.
func (r *roleMaker) verified(s *config.Source, source adapter, jobs *connector.Jobs, run runFunc) runFunc {
	doubter, doubts := source.(connector.Doubter)
	if s.Verify.Every == 0 && !doubts {
		return run
	}
	log := r.d.log.With("source", s.Name)
	return func(ctx context.Context, progress connector.Progress) error {
		var wg sync.WaitGroup
		defer wg.Wait()
		scheduled, stop := context.WithCancel(ctx)
		defer stop()
		if s.Verify.Every != 0 {
			wg.Go(func() { connector.VerifyEvery(scheduled, jobs, s.Verify.Every, s.Verify.VerifySpec, log) })
		}
		if doubts {
			wg.Go(func() { connector.VerifyDoubted(scheduled, jobs, doubter, log) })
		}
		return run(ctx, progress)
	}
}
