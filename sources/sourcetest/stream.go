package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tailstock/connector/cdc"
)

// stream is a Tail that runs, and everything that it emitted.
type stream struct {
	t      testing.TB
	cancel context.CancelCauseFunc
	done   chan struct{}
	// err is what Tail returned, once done is closed.
	err error

	mu      sync.Mutex
	emitted []*cdc.Transaction
	changed chan struct{}
}

var errStopped = errors.New("stopped by the test")

// tail runs Tail from a token until the test ends. Every transaction is handed
// to the hooks before it is kept; an error of a hook is that of emit.
func tail(t testing.TB, s Source, from cdc.Resume, hooks ...cdc.EmitFunc) *stream {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	st := &stream{t: t, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}, 1)}
	go func() {
		defer close(st.done)
		st.err = s.Tail(ctx, from, func(ctx context.Context, transaction *cdc.Transaction) error {
			for _, hook := range hooks {
				if err := hook(ctx, transaction); err != nil {
					return err
				}
			}
			st.keep(transaction)
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel(errStopped)
		select {
		case <-st.done:
		case <-time.After(patience):
			t.Errorf("Tail did not return within %v of its context's end", patience)
		}
	})
	return st
}

func (s *stream) keep(t *cdc.Transaction) {
	s.mu.Lock()
	s.emitted = append(s.emitted, t)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// all returns everything emitted so far, progress included.
func (s *stream) all() []*cdc.Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.emitted)
}

// token returns the newest token.
func (s *stream) token() cdc.Resume {
	all := s.all()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Resume
}

// wait waits until condition holds, which is looked at after every emit.
func (s *stream) wait(what string, condition func() bool) {
	s.t.Helper()
	timeout := time.After(patience)
	for !condition() {
		select {
		case <-s.changed:
		case <-s.done:
			if condition() {
				return
			}
			s.t.Fatalf("waiting for %s: Tail ended with: %v", what, s.err)
		case <-timeout:
			s.t.Fatalf("waiting for %s: not within %v; emitted:\n%s", what, patience, strings.Join(render(commits(s.all())), "\n"))
		}
	}
}

// started waits for the first token of a source of which nothing was read yet.
func (s *stream) started() *stream {
	s.t.Helper()
	s.wait("the first token", func() bool { return s.token() != "" })
	return s
}

// until waits for row n of the table mark, and returns the commits before its
// commit that this stream delivered.
func (s *stream) until(n int) []commit {
	s.t.Helper()
	var found []commit
	s.wait(fmt.Sprintf("mark %d", n), func() bool {
		for i, c := range commits(s.all()) {
			if c.mark() == n {
				found = commits(s.all())[:i]
				return true
			}
		}
		return false
	})
	return found
}

// stop ends Tail by its context, and fails the test unless it returns the cause.
func (s *stream) stop() {
	s.t.Helper()
	s.cancel(errStopped)
	if err := s.ended(); !errors.Is(err, errStopped) {
		s.t.Fatalf("Tail returned %v, want the cause of its context", err)
	}
}

// returned reports whether Tail has.
func (s *stream) returned() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// ended waits until Tail has returned, and returns its error.
func (s *stream) ended() error {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatalf("Tail did not return within %v", patience)
	}
	return s.err
}
