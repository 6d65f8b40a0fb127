package cli

import (
	"context"
	"sync"

	"tailstock/connector"
	"tailstock/internal/config"
)

// verified returns run, the loop of a capture, with the verifications that the
// configuration asks for beside it.
func (r *roleMaker) verified(s *config.Source, jobs *connector.Jobs, run runFunc) runFunc {
	if s.Verify.Every == 0 {
		return run
	}
	return func(ctx context.Context, progress connector.Progress) error {
		var wg sync.WaitGroup
		defer wg.Wait()
		scheduled, stop := context.WithCancel(ctx)
		defer stop()
		wg.Go(func() {
			connector.VerifyEvery(scheduled, jobs, s.Verify.Every, s.Verify.VerifySpec, r.d.log.With("source", s.Name))
		})
		return run(ctx, progress)
	}
}
