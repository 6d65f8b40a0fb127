package postgres

import (
	"context"
	"log/slog"
	"time"
)

// waiting waits for a transaction to become visible: a moment at first, then
// twice as long each time, up to a second.
type waiting struct {
	log *slog.Logger
	// message is what the log says if it takes long.
	message string

	next   time.Duration
	began  time.Time
	warned bool
}

const (
	waitMin = time.Millisecond
	waitMax = time.Second
	// waitWarning is how long a transaction may stay invisible before the log says so.
	waitWarning = 5 * time.Second
)

// pause waits until it is worth looking for transaction xid again. The log says
// once that it takes long.
func (w *waiting) pause(ctx context.Context, xid uint64) error {
	if w.next == 0 {
		w.next, w.began = waitMin, time.Now()
	}
	if !w.warned && time.Since(w.began) > waitWarning {
		w.warned = true
		w.log.Warn(w.message, "transaction", xid, "waiting", time.Since(w.began))
	}
	timer := time.NewTimer(w.next)
	defer timer.Stop()
	w.next = min(2*w.next, waitMax)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
