package mysql

import (
	"sync"

	"tailstock/sources/tailing"
)

// nudge carries a wish for progress to a Tail that runs. Safe for concurrent use.
type nudge struct {
	mu      sync.Mutex
	running bool
	wanted  bool
	wake    chan<- struct{}
}

// Nudge makes Tail ask the server for its place and emit it as progress as soon
// as everything before that place is emitted, also if the place has not moved. It
// does not block, may be called from any goroutine, and does nothing while no Tail
// runs. Nudges that come faster than the server answers become one.
func (s *Source) Nudge() { s.nudge.ask() }

func (n *nudge) ask() {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.wake != nil:
		tailing.Signal(n.wake)
	case n.running:
		n.wanted = true
	}
}

// begin notes that a Tail runs; until it streams, a wish is kept.
func (n *nudge) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = true
}

// attach sends wishes to wake from now on.
func (n *nudge) attach(wake chan<- struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wake = wake
	if n.wanted {
		tailing.Signal(wake)
	}
}

// end forgets the Tail.
func (n *nudge) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running, n.wanted, n.wake = false, false, nil
}
