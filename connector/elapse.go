package connector

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/inventory"
)

// elapseEvery is the longest time between two looks at what is due in the store: the
// clock may have been set, and others may have written what is due sooner.
const elapseEvery = time.Minute

// elapser has the store count what begins, and leave out what ends, when it does. It
// belongs to the goroutine that applies.
type elapser struct {
	d *Deliver
	// next is the earliest moment at which something is due, zero if nothing is known to be.
	next inventory.Moment
	// looked is when the store was asked last, zero if it never was.
	looked time.Time
}

// note takes the earliest due moment of what was applied, if it is not zero.
func (e *elapser) note(due inventory.Moment) {
	if !due.IsZero() && (e.next.IsZero() || due.Compare(e.next) < 0) {
		e.next = due
	}
}

// wait is for how long nothing is due.
func (e *elapser) wait() time.Duration {
	if e.looked.IsZero() {
		return 0
	}
	wait := elapseEvery - time.Since(e.looked)
	if !e.next.IsZero() {
		wait = min(wait, time.Until(e.next.Time()))
	}
	return max(wait, 0)
}

// elapse does what is due, or a part of it, after which wait is zero again.
func (e *elapser) elapse(ctx context.Context) error {
	done, err := e.d.cfg.Store.Elapse(ctx, e.d.cfg.Source)
	if err != nil {
		return fmt.Errorf("let time pass in the store for source %s: %w", e.d.cfg.Source, err)
	}
	e.next, e.looked = done.Next, time.Now()
	return nil
}

// sleep waits for a while in which nothing is applied, and does what falls due. It
// returns nil when ctx ended.
func (e *elapser) sleep(ctx context.Context, d time.Duration) error {
	if e.wait() == 0 {
		if err := e.elapse(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	_ = sleep(ctx, min(d, max(e.wait(), time.Millisecond))) // whoever calls looks at ctx
	return nil
}
