package connector_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
	"tailstock/connector/inventory"
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

// draw returns a number below n.
func (c *chaos) draw(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// set sets how often to fail.
func (c *chaos) set(rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = rate
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
var roleNames = []string{"capture", "store", "replica", "relay", "cache"}

// simConfig is what daemons are configured with: from which quantity on rows of
// each table are mapped, negative for a table that is not.
// Those of a table that looks are mapped by what lookups say.
type simConfig struct {
	bin, tray           int
	binLooks, trayLooks bool
	stops               bool // at rejects
}

func randomConfig(rng *rand.Rand) simConfig {
	return simConfig{5 * rng.IntN(3), 5*rng.IntN(4) - 5, rng.IntN(2) == 0, rng.IntN(3) == 0, false}
}

// simMeaning is what a mapping does.
type simMeaning struct {
	least int
	looks bool
}

// daemon is one process. It is started again when it loses a lease, as a service
// manager would.
type daemon struct {
	config simConfig
	board  *connector.Board
	jobs   atomic.Pointer[connector.Jobs]
	// registry has the metrics of the daemon's latest start.
	registry *prometheus.Registry
	kill     func()
}

// counted is the sum of a counter.
func (d *daemon) counted(name string) (sum float64) {
	families, err := d.registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func (w *world) start() *daemon {
	ctx, cancel := context.WithCancel(w.t.Context())
	d := &daemon{config: w.config, board: new(connector.Board)}
	mappings := w.mappings(d.config)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			err := connector.Supervise(ctx, w.roles(d, mappings), d.board, w.logger)
			if err != nil && !errors.Is(err, connector.ErrLeaseLost) {
				w.t.Errorf("daemon: %v", err)
				return
			}
			pause(ctx, time.Second)
		}
	})
	d.kill = func() { cancel(); wg.Wait() }
	return d
}

// mappings are those of a configuration.
func (w *world) mappings(c simConfig) []*mapping.Mapping {
	var out []*mapping.Mapping
	for i, does := range []simMeaning{{c.bin, c.binLooks}, {c.tray, c.trayLooks}} {
		if does.least >= 0 {
			compile := simMapping
			switch {
			case w.spelled:
				compile = spelledMapping
			case does.looks:
				compile = lookingMapping
			}
			m := compile(w.t, []string{"bin", "tray"}[i], does.least)
			w.mu.Lock()
			w.meanings[m.ID()] = does
			w.mu.Unlock()
			out = append(out, m)
		}
	}
	return out
}

// meaning is what a mapping does.
func (w *world) meaning(id inventory.MappingID) simMeaning {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.meanings[id]
}

func (w *world) roles(d *daemon, mappings []*mapping.Mapping) []connector.Role {
	d.registry = prometheus.NewRegistry()
	metrics := connector.NewMetrics(d.registry)
	leases := make(map[string]*memLease)
	for _, name := range roleNames {
		leases[name] = &memLease{w.leases, name}
	}
	capture := connector.NewCapture(connector.CaptureConfig{
		Source: "erp", Adapter: &memAdapter{memSource: w.source}, Log: w.log, Lease: leases["capture"],
		Mappings: mappings, StopOnReject: d.config.stops, Keep: w.keep, Open: w.log.open, Metrics: metrics, Logger: w.logger,
	})
	d.jobs.Store(capture.Jobs())
	deliver := func(store *memStore) func(context.Context, connector.Progress) error {
		return connector.NewDeliver(connector.DeliverConfig{
			Source: "erp", Open: w.log.open, Store: store, Reports: w.log, Metrics: metrics, Logger: w.logger,
		}).Run
	}
	run := map[string]func(context.Context, connector.Progress) error{
		"capture": capture.Run,
		"store":   deliver(w.store),
		"replica": w.replica.runs(deliver(w.replica.memStore)),
		"relay": connector.NewRelay(connector.RelayConfig{
			Store: w.store, Levels: w.levels, Sources: []string{"erp"}, Metrics: metrics, Log: w.logger,
		}).Run,
		"cache": connector.NewProject(connector.ProjectConfig{
			Open: w.levels.open, Cache: w.cache, Metrics: metrics, Log: w.logger,
		}).Run,
	}
	var out []connector.Role
	for _, name := range roleNames {
		out = append(out, connector.Role{Name: name, Lease: leases[name], Run: run[name]})
	}
	return out
}

// replica is a second store, which comes and goes.
type replica struct {
	*memStore

	mu      sync.Mutex
	on      bool
	changed chan struct{}
}

// turn has the store run, or not.
func (r *replica) turn(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *replica) now() (on bool, changed chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.on, r.changed
}

// runs has run run while the store does.
func (r *replica) runs(run func(context.Context, connector.Progress) error) func(context.Context, connector.Progress) error {
	return func(ctx context.Context, p connector.Progress) error {
		for ctx.Err() == nil {
			p.Beat()
			on, changed := r.now()
			if !on {
				select {
				case <-changed:
				case <-ctx.Done():
				}
				continue
			}
			running, stop := context.WithCancel(ctx)
			go func() {
				select {
				case <-changed:
				case <-running.Done():
				}
				stop()
			}()
			err := run(running, p)
			stop()
			if err != nil {
				return err
			}
		}
		return nil
	}
}
