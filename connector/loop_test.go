package connector_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
)

// looped is a loop that runs in fake time between what the test scripts.
type looped struct {
	t      *testing.T
	reg    *prometheus.Registry
	cancel context.CancelFunc
	result chan error
}

// inBubble is a loop to be, in the bubble of t.
func inBubble(t *testing.T) looped {
	return looped{t: t, reg: prometheus.NewRegistry(), result: make(chan error, 1)}
}

// around runs loop while f acts on it, and ends it.
func (l *looped) around(loop func(context.Context, connector.Progress) error, f func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	l.cancel = cancel
	go func() { l.result <- loop(ctx, connector.Progress{}) }()
	synctest.Wait()
	f()
	cancel()
	l.end()
}

// end waits for the loop to end, and returns how it did.
func (l *looped) end() error { return ended(l.t, l.result) }
