package stockstore

import (
	"context"
	"sync"
	"time"
)

const (
	// gatherMax bounds how long the outbox is let fill before a list is taken: well
	// within the time after which a relay without progress counts as stuck. And
	// gatherQuiet ends it when no batch is applied meanwhile by workers of which it is
	// not known whether they are behind: they are in other processes.
	gatherMax   = 20 * time.Second
	gatherQuiet = 2 * time.Second
	// freshMax bounds the outbox rows that are remembered as fresh.
	freshMax = 1_000
)

// backlog knows which sources have more in their logs than was applied, of those
// whose workers are in this process, and what the others listed in the outbox.
type backlog struct {
	mu      sync.Mutex
	sources map[string]bool
	// fresh are outbox rows of workers that are not behind, while another is.
	fresh []int64
}

// note keeps what the worker of a source said with its last batch, which made
// outbox rows.
func (b *backlog) note(source string, more bool, rows []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sources == nil {
		b.sources = make(map[string]bool)
	}
	b.sources[source] = more
	if !more && len(b.fresh)+len(rows) <= freshMax && b.behind() {
		b.fresh = append(b.fresh, rows...)
	}
}

// noteFresh keeps outbox rows that no batch of a source made, unless its own worker is
// behind: what was read of its log is not in them.
func (b *backlog) noteFresh(source string, rows []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.sources[source] && len(b.fresh)+len(rows) <= freshMax && b.behind() {
		b.fresh = append(b.fresh, rows...)
	}
}

// behind reports whether a worker of this process is. mu must be held.
func (b *backlog) behind() bool {
	for _, more := range b.sources {
		if more {
			return true
		}
	}
	return false
}

// state reports whether there are workers in this process, and whether one is behind.
func (b *backlog) state() (known, behind bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sources) > 0, b.behind()
}

// takeFresh returns the rows that need not wait for those of a backlog.
func (b *backlog) takeFresh() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := b.fresh
	b.fresh = nil
	return rows
}

// gather lets the outbox fill while a backlog is applied: every level would be
// published many times over, each as old as the backlog, and the publishing would
// take the time in which it could be caught up with. age is that of what was
// published last: no level gets more than twice as old. It returns early
// with rows of sources that have no backlog.
func (s *Store) gather(ctx context.Context, age time.Duration) (fresh []int64) {
	deadline, quiet := time.NewTimer(min(age, gatherMax)), time.NewTimer(gatherQuiet)
	defer deadline.Stop()
	defer quiet.Stop()
	for {
		known, behind := s.backlog.state()
		if known && !behind {
			return nil
		}
		if fresh := s.backlog.takeFresh(); len(fresh) > 0 {
			return fresh
		}
		select {
		case <-s.wake:
			quiet.Reset(gatherQuiet)
		case <-quiet.C:
			if !known {
				return nil
			}
		case <-deadline.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
