package connector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
)

// supervised runs f while role is supervised. What Supervise returned is what end returns.
func supervised(t *testing.T, roles []connector.Role, f func(board *connector.Board, log *strings.Builder, cancel func(), end func() error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var board connector.Board
		var log strings.Builder
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- connector.Supervise(ctx, roles, &board, slog.New(slog.NewTextHandler(&log, nil))) }()
		end := func() error { return ended(t, result) }
		synctest.Wait()
		f(&board, &log, cancel, end)
		cancel()
		end()
	})
}

func status(t *testing.T, b *connector.Board, role string) connector.RoleStatus {
	t.Helper()
	for _, r := range b.Roles() {
		if r.Role == role {
			return r
		}
	}
	t.Fatalf("the board has no role %s", role)
	return connector.RoleStatus{}
}

// runs is a role that beats and then does as told.
func runs(name string, f func(ctx context.Context, p connector.Progress) error) connector.Role {
	return connector.Role{Name: name, Lease: freeLease{}, Run: f}
}

func waits(ctx context.Context, p connector.Progress) error {
	p.Beat()
	<-ctx.Done()
	return nil
}

func TestSuperviseRuns(t *testing.T) {
	t.Parallel()
	roles := []connector.Role{runs("a", waits), runs("b", waits)}
	supervised(t, roles, func(board *connector.Board, _ *strings.Builder, cancel func(), end func() error) {
		for _, name := range []string{"a", "b"} {
			if s := status(t, board, name); s.State != connector.RoleRunning {
				t.Errorf("role %s is %s", name, s.State)
			}
		}
		cancel()
		if err := end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestSuperviseRetries(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var began []time.Time
	failing := runs("a", func(context.Context, connector.Progress) error {
		mu.Lock()
		defer mu.Unlock()
		began = append(began, time.Now())
		return errInjected
	})
	supervised(t, []connector.Role{failing, runs("b", waits)}, func(board *connector.Board, log *strings.Builder, _ func(), _ func() error) {
		later(5 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		// 0.1 s doubling to 15 s, each between half and one and a half times that.
		if n := len(began); n < 15 || n > 50 {
			t.Errorf("tried %d times in five minutes", n)
		}
		if d := began[1].Sub(began[0]); d > 150*time.Millisecond {
			t.Errorf("first retry after %s", d)
		}
		for i := 1; i < len(began); i++ {
			if d := began[i].Sub(began[i-1]); d > 23*time.Second {
				t.Errorf("retry %d after %s", i, d)
			}
		}
		s := status(t, board, "a")
		if s.State != connector.RoleRetrying || s.Error != errInjected.Error() {
			t.Errorf("role is %s with error %q", s.State, s.Error)
		}
		if s := status(t, board, "b"); s.State != connector.RoleRunning {
			t.Errorf("the other role is %s", s.State)
		}
		if !strings.Contains(log.String(), `level=WARN msg="role failed, will retry" role=a error="injected failure"`) {
			t.Errorf("log says %q", log.String())
		}
	})
}

// The error of the last attempt stays to be seen while the next is made.
func TestErrorStaysUntilRoleRuns(t *testing.T) {
	t.Parallel()
	attempts := 0
	role := runs("a", func(ctx context.Context, p connector.Progress) error {
		attempts++
		if attempts == 1 {
			return errInjected
		}
		time.Sleep(time.Minute) // fake time: it connects
		return waits(ctx, p)
	})
	supervised(t, []connector.Role{role}, func(board *connector.Board, _ *strings.Builder, _ func(), _ func() error) {
		later(10 * time.Second)
		if s := status(t, board, "a"); s.State != connector.RoleStarting || s.Error != errInjected.Error() {
			t.Errorf("role is %s with error %q", s.State, s.Error)
		}
		later(2 * time.Minute)
		if s := status(t, board, "a"); s.State != connector.RoleRunning || s.Error != "" {
			t.Errorf("role is %s with error %q", s.State, s.Error)
		}
	})
}

// A role that ran well for a while is tried again at once.
func TestRetryDelayStartsOver(t *testing.T) {
	t.Parallel()
	var ended, began time.Time
	attempts := 0
	role := runs("a", func(context.Context, connector.Progress) error {
		attempts++
		switch {
		case attempts < 12:
		case attempts == 12:
			time.Sleep(2 * time.Minute) // fake time
			ended = time.Now()
		case attempts == 13:
			began = time.Now()
		}
		return nil
	})
	supervised(t, []connector.Role{role}, func(board *connector.Board, _ *strings.Builder, _ func(), _ func() error) {
		later(10 * time.Minute)
		if d := began.Sub(ended); d <= 0 || d > 150*time.Millisecond {
			t.Errorf("tried again after %s", d)
		}
		if s := status(t, board, "a"); s.Error != "ended without a reason" {
			t.Errorf("error is %q", s.Error)
		}
	})
}

type haltingError struct{ halts bool }

func (e haltingError) Error() string { return "of an adapter" }
func (e haltingError) Halts() bool   { return e.halts }

func TestHalts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{errInjected, false},
		{&cdc.GapError{}, true},
		{&connector.RejectError{}, true},
		{&cdc.SetupError{}, false}, // goes away once an operator has acted
		{connector.ErrFenced, false},
		{connector.ErrLogChanged, false},
		{haltingError{true}, true},
		{haltingError{false}, false},
	} {
		if got := connector.Halts(fmt.Errorf("wrapped: %w", tt.err)); got != tt.want {
			t.Errorf("Halts(%T) = %v", tt.err, got)
		}
	}
}

func TestSuperviseHalts(t *testing.T) {
	t.Parallel()
	attempts := 0
	role := runs("a", func(_ context.Context, p connector.Progress) error {
		attempts++
		p.Beat()
		return &cdc.GapError{Reason: cdc.GapSlotMissing, Detail: "no slot"}
	})
	supervised(t, []connector.Role{role, runs("b", waits)}, func(board *connector.Board, log *strings.Builder, cancel func(), end func() error) {
		later(time.Hour)
		if attempts != 1 {
			t.Errorf("ran %d times", attempts)
		}
		if s := status(t, board, "a"); s.State != connector.RoleHalted || !strings.Contains(s.Error, "no slot") {
			t.Errorf("role is %s with error %q", s.State, s.Error)
		}
		if s := status(t, board, "b"); s.State != connector.RoleRunning {
			t.Errorf("the other role is %s", s.State)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("log says %q", log.String())
		}
		cancel()
		if err := end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

// A wrong configuration ends the daemon, but only before the role ever ran.
func TestSetupErrors(t *testing.T) {
	t.Parallel()
	setup := &cdc.SetupError{Object: "publication \"p\"", Problem: "is missing", Fix: "create it"}
	first := runs("a", func(context.Context, connector.Progress) error { return setup })
	supervised(t, []connector.Role{first, runs("b", waits)}, func(_ *connector.Board, _ *strings.Builder, _ func(), end func() error) {
		if err := end(); !errors.Is(err, setup) || !strings.HasPrefix(err.Error(), "a: ") {
			t.Errorf("got %v, want the setup error of role a", err)
		}
	})
	again := runs("a", func(_ context.Context, p connector.Progress) error {
		p.Beat()
		return setup
	})
	supervised(t, []connector.Role{again}, func(board *connector.Board, _ *strings.Builder, _ func(), _ func() error) {
		later(10 * time.Minute)
		if s := status(t, board, "a"); s.State != connector.RoleRetrying && s.State != connector.RoleRunning || !strings.Contains(s.Error, "create it") {
			t.Errorf("role is %s with error %q", s.State, s.Error)
		}
	})
}

// tellingLease is lost when the test says.
type tellingLease struct {
	lost     chan struct{}
	check    error
	hold     error
	released chan error // what the role ended with, when the lease was given back
}

func (l *tellingLease) Hold(ctx context.Context, f func(context.Context) error) error {
	if l.hold != nil {
		return l.hold
	}
	held, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-l.lost:
			cancel(connector.ErrLeaseLost)
		case <-stop:
		}
	})
	err := f(held)
	close(stop)
	wg.Wait()
	if cause := context.Cause(held); errors.Is(cause, connector.ErrLeaseLost) {
		return cause
	}
	if l.released != nil {
		l.released <- err
	}
	return err
}

func (l *tellingLease) Check(context.Context) error { return l.check }

func newTellingLease() *tellingLease {
	return &tellingLease{lost: make(chan struct{}), released: make(chan error, 1)}
}

func TestLostLeaseEndsDaemon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lost, kept := newTellingLease(), newTellingLease()
		roles := []connector.Role{{Name: "a", Lease: lost, Run: waits}, {Name: "b", Lease: kept, Run: waits}}
		var board connector.Board
		result := make(chan error, 1)
		go func() { result <- connector.Supervise(t.Context(), roles, &board, slog.New(slog.DiscardHandler)) }()
		synctest.Wait()
		close(lost.lost)
		err := <-result
		if !errors.Is(err, connector.ErrLeaseLost) || !strings.HasPrefix(err.Error(), "a: ") {
			t.Errorf("got %v, want ErrLeaseLost of role a", err)
		}
		// The other role did not lose its lease, and gave it back for others to take at once.
		select {
		case err := <-kept.released:
			if err != nil {
				t.Errorf("role b ended with %v", err)
			}
		default:
			t.Error("role b did not give its lease back")
		}
	})
}

func TestLeaseLostBetweenAttempts(t *testing.T) {
	t.Parallel()
	lease := &tellingLease{check: connector.ErrLeaseLost}
	role := connector.Role{Name: "a", Lease: lease, Run: func(context.Context, connector.Progress) error { return errInjected }}
	supervised(t, []connector.Role{role}, func(_ *connector.Board, _ *strings.Builder, _ func(), end func() error) {
		if err := end(); !errors.Is(err, connector.ErrLeaseLost) {
			t.Errorf("got %v, want ErrLeaseLost", err)
		}
	})
}

// While the leases' server is away, a role is neither ready nor on standby.
func TestLeaseThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	lease := &tellingLease{hold: errInjected}
	role := connector.Role{Name: "a", Lease: lease, Run: waits}
	supervised(t, []connector.Role{role}, func(board *connector.Board, _ *strings.Builder, cancel func(), end func() error) {
		later(time.Minute)
		s := status(t, board, "a")
		if s.State != connector.RoleRetrying || s.Ready(time.Now(), time.Hour) || s.Error == "" {
			t.Errorf("role is %s with error %q", s.State, s.Error)
		}
		cancel()
		if err := end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

// A role waits for its lease for as long as another daemon holds it.
func TestStandby(t *testing.T) {
	t.Parallel()
	leases := &memLeases{holders: map[string]*memLease{}}
	other := &memLease{leases, "a"}
	leases.holders["a"] = other
	role := connector.Role{Name: "a", Lease: &memLease{leases, "a"}, Run: waits}
	supervised(t, []connector.Role{role}, func(board *connector.Board, _ *strings.Builder, _ func(), _ func() error) {
		if s := status(t, board, "a"); s.State != connector.RoleStarting || s.Ready(time.Now(), time.Hour) {
			t.Errorf("role is %s before it waited", s.State)
		}
		later(time.Minute)
		if s := status(t, board, "a"); s.State != connector.RoleStandby || !s.Ready(time.Now(), time.Hour) {
			t.Errorf("role is %s", s.State)
		}
		leases.steal("a")
		later(time.Second)
		if s := status(t, board, "a"); s.State != connector.RoleRunning {
			t.Errorf("role is %s", s.State)
		}
	})
}

func TestDrainThatFailsIsTold(t *testing.T) {
	t.Parallel()
	role := runs("a", func(ctx context.Context, p connector.Progress) error {
		waits(ctx, p)
		return errInjected
	})
	supervised(t, []connector.Role{role}, func(_ *connector.Board, log *strings.Builder, cancel func(), end func() error) {
		cancel()
		if err := end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		if !strings.Contains(log.String(), "did not drain cleanly") {
			t.Errorf("log says %q", log.String())
		}
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		state connector.RoleState
		ago   time.Duration
		want  bool
	}{
		{connector.RoleRunning, 30 * time.Second, true},
		{connector.RoleRunning, 31 * time.Second, false},
		{connector.RoleStandby, time.Hour, true},
		{connector.RoleStarting, 0, false},
		{connector.RoleRetrying, 0, false},
		{connector.RoleHalted, 0, false},
	} {
		s := connector.RoleStatus{State: tt.state, Progress: now.Add(-tt.ago)}
		if got := s.Ready(now, 30*time.Second); got != tt.want {
			t.Errorf("%s, %s after progress: ready is %v", tt.state, tt.ago, got)
		}
	}
}

func TestBoard(t *testing.T) {
	t.Parallel()
	role := func(name string) connector.Role {
		return runs(name, func(ctx context.Context, p connector.Progress) error {
			p.Set("position", name)
			return waits(ctx, p)
		})
	}
	supervised(t, []connector.Role{role("b"), role("a")}, func(board *connector.Board, _ *strings.Builder, _ func(), _ func() error) {
		roles := board.Roles()
		if len(roles) != 2 || roles[0].Role != "a" || roles[1].Role != "b" {
			t.Fatalf("got %v, want a and b", roles)
		}
		roles[0].Detail["position"] = "changed"
		if got := board.Roles()[0].Detail["position"]; got != "a" {
			t.Errorf("the board's detail is %v, want a copy to be handed out", got)
		}
	})
	connector.Progress{}.Beat() // for tests of loops
	connector.Progress{}.Set("k", 1)
}

func TestSweep(t *testing.T) {
	t.Parallel()
	var sweeps atomic.Int64
	role := runs("a", connector.NewSweep(func(context.Context) (bool, error) {
		n := sweeps.Add(1)
		time.Sleep(10 * time.Millisecond) // fake time
		if n == 20 {
			return false, errInjected
		}
		return n < 3, nil
	}).Run)
	supervised(t, []connector.Role{role}, func(board *connector.Board, _ *strings.Builder, _ func(), _ func() error) {
		later(time.Second)
		if s := status(t, board, "a"); sweeps.Load() != 3 || s.State != connector.RoleRunning {
			t.Errorf("swept %d times, want 3 while there is more, and role is %s", sweeps.Load(), s.State)
		}
		later(20 * time.Second)
		if sweeps.Load() < 6 || sweeps.Load() > 8 {
			t.Errorf("swept %d times", sweeps.Load())
		}
		later(2 * time.Minute)
		if s := status(t, board, "a"); sweeps.Load() <= 20 || s.State != connector.RoleRunning {
			t.Errorf("swept %d times, and role is %s after a failure", sweeps.Load(), s.State)
		}
	})
}
