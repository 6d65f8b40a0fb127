package connector_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/mapping"
)

// chaos fails calls at random, before or after their effect. All fakes of a
// world share it.
type chaos struct {
	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
}

// strike reports whether to fail now.
func (c *chaos) strike() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.Float64() < c.rate
}

func (c *chaos) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = 0
}

// memLeases are the leases of all daemons.
type memLeases struct {
	mu      sync.Mutex
	holders map[string]*memLease
}

// steal ends a lease without telling its holder, as if it had been asleep for a
// while: it finds out when it renews, and works on until then.
func (l *memLeases) steal(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holders, name)
}

// memLease is one daemon's handle on one lease.
type memLease struct {
	all  *memLeases
	name string
}

const (
	leasePoll  = 500 * time.Millisecond
	leaseRenew = 3 * time.Second
)

func (l *memLease) take() bool {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if holder := l.all.holders[l.name]; holder != nil && holder != l {
		return false
	}
	l.all.holders[l.name] = l
	return true
}

func (l *memLease) Hold(ctx context.Context, f func(context.Context) error) error {
	for !l.take() {
		if err := pause(ctx, leasePoll); err != nil {
			return err
		}
	}
	held, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for pause(held, leaseRenew) == nil {
			if err := l.Check(held); err != nil {
				lost(err)
			}
		}
	})
	err := f(held)
	cause := context.Cause(held)
	lost(nil)
	wg.Wait()
	if errors.Is(cause, connector.ErrLeaseLost) {
		return cause
	}
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.all.holders[l.name] == l {
		delete(l.all.holders, l.name)
	}
	return err
}

func (l *memLease) Check(context.Context) error {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if l.all.holders[l.name] != l {
		return connector.ErrLeaseLost
	}
	return nil
}

// roleNames are the roles of a daemon.
var roleNames = []string{"capture", "store", "relay", "cache"}

// daemon is one process. It is started again when it loses a lease, as a service
// manager would.
type daemon struct {
	board *connector.Board
	kill  func()
	// jobs are those of the capture that was made last.
	jobs atomic.Pointer[connector.Jobs]
}

func (w *world) start(t *testing.T, m *mapping.Mapping) *daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &daemon{board: new(connector.Board)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			err := connector.Supervise(ctx, w.roles(m, d), d.board, slog.New(slog.DiscardHandler))
			if err != nil && !errors.Is(err, connector.ErrLeaseLost) {
				t.Errorf("daemon: %v", err)
				return
			}
			pause(ctx, time.Second)
		}
	})
	d.kill = func() { cancel(); wg.Wait() }
	return d
}

func (w *world) roles(m *mapping.Mapping, d *daemon) []connector.Role {
	metrics, quiet := connector.NewMetrics(nil), slog.New(slog.DiscardHandler)
	leases := make(map[string]*memLease)
	for _, name := range roleNames {
		leases[name] = &memLease{w.leases, name}
	}
	capture := connector.NewCapture(connector.CaptureConfig{
		Source: "erp", Adapter: w.source, Log: w.log, Lease: leases["capture"],
		Mappings: []*mapping.Mapping{m}, Keep: w.keep, Metrics: metrics, Logger: quiet,
	})
	d.jobs.Store(capture.Jobs())
	run := map[string]func(context.Context, connector.Progress) error{
		"capture": capture.Run,
		"store": connector.NewDeliver(connector.DeliverConfig{
			Source: "erp", Open: w.log.open, Store: w.store, Reports: w.log, Metrics: metrics, Logger: quiet,
		}).Run,
		"relay": connector.NewRelay(connector.RelayConfig{
			Store: w.store, Levels: w.levels, Metrics: metrics, Log: quiet,
		}).Run,
		"cache": connector.NewProject(connector.ProjectConfig{
			Open: w.levels.open, Cache: w.cache, Metrics: metrics, Log: quiet,
		}).Run,
	}
	var out []connector.Role
	for _, name := range roleNames {
		out = append(out, connector.Role{Name: name, Lease: leases[name], Run: run[name]})
	}
	return out
}
