package natslog_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/natslog"
)

func (w *world) lease(name string, ttl time.Duration) *natslog.Lease {
	w.t.Helper()
	l, err := w.client.Lease(name, ttl)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func TestLeaseHoldsOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var holding, most, turns atomic.Int64
	done := make(chan error)
	for range 4 {
		l := w.lease("capture/erp", time.Minute)
		go func() {
			done <- l.Hold(t.Context(), func(ctx context.Context) error {
				n := holding.Add(1)
				for {
					m := most.Load()
					if n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				turns.Add(1)
				err := l.Check(ctx)
				holding.Add(-1)
				return err
			})
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 1 || turns.Load() != 4 {
		t.Errorf("%d held at once, %d turns; want 1 and 4", most.Load(), turns.Load())
	}
}

func TestLeaseReturnsError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("relay", 0)
	want := errors.New("mine")
	isErr(t, l.Hold(t.Context(), func(context.Context) error { return want }), want)
	isErr(t, l.Check(t.Context()), connector.ErrLeaseLost)
	// It was given back: another has it at once, long before the ttl.
	ctx, cancel := context.WithTimeout(t.Context(), natslog.DefaultLeaseTTL/2)
	defer cancel()
	if err := w.lease("relay", 0).Hold(ctx, func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestLeaseOutlivesItsTTL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ttl = 200 * time.Millisecond
	holder := w.lease("relay", ttl)
	ctx, cancel := context.WithTimeout(t.Context(), 5*ttl)
	defer cancel()
	err := holder.Hold(t.Context(), func(held context.Context) error {
		err := w.lease("relay", ttl).Hold(ctx, func(context.Context) error { return errors.New("taken from a live holder") })
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return context.Cause(held)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPausedHolderLosesLease stops the holder's process for longer than its
// lease. What it does first when it goes on is to find out.
func TestPausedHolderLosesLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := startChild(t, "lease", w.cfg.Embedded.Dir)
	p.expect("held")
	if _, err := p.in.Write([]byte("check\n")); err != nil {
		t.Fatal(err)
	}
	if got := p.expect("check: "); got != "<nil>" {
		t.Fatalf("the holder's check: %s", got)
	}
	p.signal(syscall.SIGSTOP)
	began := time.Now()
	err := w.lease("relay", childTTL).Hold(t.Context(), func(context.Context) error {
		if waited := time.Since(began); waited < childTTL/2 {
			t.Errorf("taken after %s", waited)
		}
		if _, err := p.in.Write([]byte("check\n")); err != nil {
			t.Error(err)
		}
		p.signal(syscall.SIGCONT)
		if got := p.expect("check: "); !strings.Contains(got, connector.ErrLeaseLost.Error()) {
			t.Errorf("the check of a holder that slept: %s", got)
		}
		_ = p.in.Close()
		if got := p.expect("error: "); !strings.Contains(got, connector.ErrLeaseLost.Error()) {
			t.Errorf("Hold of a holder that slept: %s", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLeaseSurvivesRestart: while the server is away nobody can take the lease.
func TestLeaseSurvivesRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *natslog.Config) { c.Embedded.Listen = freeAddress(t) })
	l := w.lease("relay", 2*time.Second)
	err := l.Hold(t.Context(), func(ctx context.Context) error {
		if err := w.server.Close(); err != nil {
			return err
		}
		if err := l.Check(ctx); err == nil || errors.Is(err, connector.ErrLeaseLost) {
			t.Errorf("check without a server: got %v", err)
		}
		var err error
		if w.server, err = natslog.StartEmbedded(ctx, w.cfg, nil); err != nil {
			return err
		}
		eventually(t, "the lease is held again", func() bool { return l.Check(ctx) == nil })
		return context.Cause(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLeaseOfLostState: the record is gone, so nobody else holds the lease.
func TestLeaseOfLostState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("relay", time.Minute)
	err := l.Hold(t.Context(), func(ctx context.Context) error {
		kv, err := w.admin(natslog.RoleDaemon).KeyValue(ctx, "INVENTORY_STATE")
		if err != nil {
			return err
		}
		if err := kv.Purge(ctx, "lease.relay"); err != nil {
			return err
		}
		return l.Check(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLeasesListsHolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.lease("store/erp", 0).Hold(t.Context(), func(ctx context.Context) error {
		return w.lease("capture/erp", 0).Hold(ctx, func(ctx context.Context) error {
			leases, err := w.client.Leases(ctx)
			if err != nil {
				return err
			}
			var names []string
			for _, l := range leases {
				names = append(names, l.Name)
				if l.PID != syscall.Getpid() || l.Host == "" || time.Since(l.Since) > time.Minute {
					t.Errorf("got %+v", l)
				}
			}
			if diff := cmp.Diff([]string{"capture/erp", "store/erp"}, names); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if leases, err := w.client.Leases(t.Context()); err != nil || len(leases) != 0 {
		t.Errorf("after both were given back: got %v, %v", leases, err)
	}
	if _, err := w.client.Lease("a b", 0); err == nil {
		t.Error("a lease's name may hold a space")
	}
}

func TestHoldEndsWithContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.lease("relay", time.Minute)
	err := l.Hold(t.Context(), func(context.Context) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		cancel(stop)
		isErr(t, w.lease("relay", time.Minute).Hold(ctx, nil), stop)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
