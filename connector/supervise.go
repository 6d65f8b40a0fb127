package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector/cdc"
)

// Role is one loop that a daemon runs while it holds the loop's lease.
type Role struct {
	Name  string
	Lease Lease
	// Run does the work until ctx ends or something fails. It is called again
	// after a failure, starting from what its destination durably holds. When ctx
	// ends it finishes what is in flight and returns.
	Run func(ctx context.Context, progress Progress) error
}

// Retry delays. A role that ran for longer than retryReset starts over with the shortest.
const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = 15 * time.Second
	retryReset   = time.Minute
)

// standbyAfter is longer than a lease that is free takes to be taken, or to fail
// for want of its server.
const standbyAfter = 5 * time.Second

// Supervise runs every role until ctx ends, and is the only place that retries
// and the only one that logs their errors. A role whose error only an operator
// can mend is halted: it stays on the board, and the other roles go on. Supervise
// returns nil when ctx ended and every role has drained; ErrLeaseLost, wrapped
// with the role, when another daemon took a lease from this one; and the error of
// a role that found its configuration wrong before it ever ran.
func Supervise(ctx context.Context, roles []Role, board *Board, log *slog.Logger) error {
	// Not errgroup's context: its cause would be the error of the role that failed,
	// and the others would take a lease that it lost for one of their own.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	for _, r := range roles {
		g.Go(func() error {
			err := (&supervisor{role: r, board: board, log: log.With("role", r.Name)}).run(ctx)
			if err != nil {
				stop()
			}
			return err
		})
	}
	return g.Wait()
}

type supervisor struct {
	role  Role
	board *Board
	log   *slog.Logger
	// ran is set once the role has made progress, in any attempt.
	ran bool
}

func (s *supervisor) run(ctx context.Context) error {
	delay := firstRetry
	for ctx.Err() == nil {
		s.board.enter(s.role.Name, RoleStarting, nil)
		waited := s.standby(ctx)
		err := s.role.Lease.Hold(ctx, func(ctx context.Context) error {
			waited()
			return s.hold(ctx)
		})
		waited()
		switch {
		case ctx.Err() != nil && !fatal(err):
			return nil
		case fatal(err):
			return fmt.Errorf("%s: %w", s.role.Name, err)
		}
		// The lease itself could not be asked: its server is away.
		s.failed(err, delay)
		delay = s.pause(ctx, delay)
	}
	return nil
}

// standby shows the role as standing by once its lease was waited for for a while.
// Until then it may be the first to take it, and is not yet what it is there for.
// The function that it returns says that the waiting is over, and may be called again.
func (s *supervisor) standby(ctx context.Context) (waited func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(standbyAfter):
			s.board.enter(s.role.Name, RoleStandby, nil)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// hold runs the role again and again while the lease is held.
func (s *supervisor) hold(ctx context.Context) error {
	delay := firstRetry
	for {
		s.board.enter(s.role.Name, RoleStarting, nil)
		s.log.InfoContext(ctx, "role starting")
		began := time.Now()
		err := s.role.Run(ctx, Progress{s.board, s.role.Name})
		s.ran = s.ran || s.running()
		if ctx.Err() != nil {
			return s.ended(ctx, err)
		}
		if err == nil {
			err = errors.New("ended without a reason")
		}
		if errors.Is(err, ErrLeaseLost) {
			return err
		}
		var setup *cdc.SetupError
		if errors.As(err, &setup) && !s.ran {
			return unmendable{err}
		}
		if Halts(err) {
			return s.halt(ctx, err)
		}
		if time.Since(began) > retryReset {
			delay = firstRetry
		}
		s.failed(err, delay)
		delay = s.pause(ctx, delay)
		if err := s.role.Lease.Check(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// ended decides what the end of the context means: a drain that went well, or a lost lease.
func (s *supervisor) ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrLeaseLost) {
		return cause
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.WarnContext(ctx, "role did not drain cleanly; a restart goes on from what is durable", "error", err)
	}
	return nil
}

func (s *supervisor) running() bool {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	return s.board.role(s.role.Name).State == RoleRunning
}

// halt parks the role, still holding its lease, so that no other daemon runs into the same wall.
func (s *supervisor) halt(ctx context.Context, err error) error {
	s.board.enter(s.role.Name, RoleHalted, err)
	s.log.ErrorContext(ctx, "role halted until an operator acts", "error", err)
	<-ctx.Done()
	return s.ended(ctx, nil)
}

func (s *supervisor) failed(err error, delay time.Duration) {
	s.board.enter(s.role.Name, RoleRetrying, err)
	s.log.Warn("role failed, will retry", "error", err, "after", delay)
}

// pause waits for about delay, and returns the next delay.
func (s *supervisor) pause(ctx context.Context, delay time.Duration) time.Duration {
	jittered := delay/2 + rand.N(delay) //nolint:gosec // jitter, not a secret
	select {
	case <-ctx.Done():
	case <-time.After(jittered):
	}
	return min(delay*2, longestRetry)
}

// unmendable marks an error that ends the daemon: its configuration is wrong.
type unmendable struct{ error }

func (u unmendable) Unwrap() error { return u.error }

func fatal(err error) bool {
	var u unmendable
	return errors.As(err, &u) || errors.Is(err, ErrLeaseLost)
}

// Halts reports whether retrying err is pointless: something was lost, or the
// configuration contradicts what is stored, and an operator must act. An error of
// an adapter says so by a method Halts.
func Halts(err error) bool {
	var gap *cdc.GapError
	var reject *RejectError
	if errors.As(err, &gap) || errors.As(err, &reject) {
		return true
	}
	var adapters interface{ Halts() bool }
	return errors.As(err, &adapters) && adapters.Halts()
}

// drained is the error of a loop, or nil if it failed only because ctx ended:
// what was cut short is done again from what is durable.
func drained(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it is told by ctx
	}
	return err
}
