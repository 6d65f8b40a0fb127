package postgres

import "sync"

// nudge carries a wish for progress to the reader of a Tail that runs. Safe for
// concurrent use.
type nudge struct {
	mu      sync.Mutex
	running bool
	wanted  bool
	stream  *stream
}

// Nudge makes Tail ask the server for its place and emit it as progress as soon
// as the server has answered and everything before that place is emitted, also
// if the place has not moved. It does not block, may be called from any
// goroutine, and does nothing while no Tail runs. Nudges that come faster than
// the reader reads become one.
func (s *Source) Nudge() { s.nudge.ask() }

func (n *nudge) ask() {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.stream != nil:
		n.stream.wake()
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

// attach sends wishes to the reader of stream from now on.
func (n *nudge) attach(stream *stream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stream = stream
	if n.wanted {
		stream.wake()
	}
}

// end forgets the Tail.
func (n *nudge) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running, n.wanted, n.stream = false, false, nil
}
