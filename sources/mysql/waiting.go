package mysql

import (
	"context"
	"log/slog"
	"time"
)

// waiting waits for a transaction to become visible: a moment at first, then
// twice as long each time, up to a second.
type waiting struct {
	// log has what waits as an attribute.
	log *slog.Logger

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

// pause waits until it is worth looking again for what is invisible. The log says
// once that it takes long.
func (w *waiting) pause(ctx context.Context, what string) error {
	if w.next == 0 {
		w.next, w.began = waitFirst, time.Now()
	}
	if !w.warned && time.Since(w.began) > waitWarning {
		w.warned = true
		w.log.Warn("a transaction does not become visible, perhaps it waits for a semi-synchronous replica",
			"transaction", what, "waiting", time.Since(w.began))
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
