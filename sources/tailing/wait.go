package tailing

import (
	"context"
	"log/slog"
	"time"
)

// Wait waits for a transaction to become visible: a moment at first, then twice as
// long each time, up to a second.
type Wait struct {
	// Log has what waits as an attribute.
	Log *slog.Logger

	next   time.Duration
	began  time.Time
	warned bool
}

const (
	waitFirst   = time.Millisecond
	waitLongest = time.Second
	// waitWarning is how long a transaction may stay invisible before the log says so.
	waitWarning = 5 * time.Second
)

// Pause waits until it is worth looking again for the transaction that is
// invisible. The log says once that it takes long. It ends early with the cause of
// ctx.
func (w *Wait) Pause(ctx context.Context, transaction any) error {
	if w.next == 0 {
		w.next, w.began = waitFirst, time.Now()
	}
	if !w.warned && time.Since(w.began) > waitWarning {
		w.warned = true
		w.Log.Warn("a transaction does not become visible, perhaps it waits for a synchronous standby or replica",
			"transaction", transaction, "waiting", time.Since(w.began))
	}
	timer := time.NewTimer(w.next)
	defer timer.Stop()
	w.next = min(2*w.next, waitLongest)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
