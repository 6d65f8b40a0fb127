package stockstore

import (
	"context"
	"sync"
	"time"
)

const (
	// gatherMax bounds how long the outbox is let fill before a list is taken, and
	// gatherQuiet ends it when no batch is applied meanwhile.
	gatherMax   = 10 * time.Second
	gatherQuiet = 500 * time.Millisecond
)

// backlog knows which sources have more in their logs than was applied, of those
// whose workers are in this process.
type backlog struct {
	mu      sync.Mutex
	sources map[string]bool
}

// note keeps what the worker of a source said with its last batch.
func (b *backlog) note(source string, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sources == nil {
		b.sources = make(map[string]bool)
	}
	b.sources[source] = more
}

// cleared reports whether there are workers in this process and all have caught up.
func (b *backlog) cleared() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, more := range b.sources {
		if more {
			return false
		}
	}
	return len(b.sources) > 0
}

// gather lets the outbox fill while a backlog is applied: every level would be
// published many times over, each as old as the backlog, and the publishing would
// take the time in which it could be caught up with. age is that of what was
// published last: no level gets older by more than half of it.
func (s *Store) gather(ctx context.Context, age time.Duration) {
	deadline, quiet := time.NewTimer(min(age/2, gatherMax)), time.NewTimer(gatherQuiet)
	defer deadline.Stop()
	defer quiet.Stop()
	for !s.backlog.cleared() {
		select {
		case <-s.wake:
			quiet.Reset(gatherQuiet)
		case <-quiet.C:
			return
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
