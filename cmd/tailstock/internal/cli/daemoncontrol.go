package cli

import (
	"context"
	"errors"

	"tailstock/connector"
	"tailstock/connector/natslog"
)

// controlled returns the loop of c, which answers on the control plane while it runs.
func (r *roleMaker) controlled(source string, c *connector.Capture) runFunc {
	return func(ctx context.Context, progress connector.Progress) (err error) {
		control, err := r.client.Serve(ctx, source, natslog.JobEndpoints(c.Jobs())...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, control.Stop()) }()
		return c.Run(ctx, progress)
	}
}
