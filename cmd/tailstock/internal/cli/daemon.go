package cli

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"tailstock/connector"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/sinks/cache"
)

// daemon runs the roles of one configuration.
type daemon struct {
	cfg      *config.Config
	selected roleSet
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *connector.Metrics
	board    *connector.Board
	ready    *readiness
}

func newDaemon(cfg *config.Config, selected roleSet, log *slog.Logger, b build) *daemon {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "tailstock", Name: "build_info", Help: "1, labelled with the version of the program.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "go": b.Go},
	})
	info.Set(1)
	registry.MustRegister(info)
	board := new(connector.Board)
	registry.MustRegister(newBoardMetrics(board))
	return &daemon{
		cfg: cfg, selected: selected, log: log, registry: registry,
		metrics: connector.NewMetrics(registry), board: board, ready: &readiness{board: board},
	}
}

// run blocks until ctx ends and every role has drained, or one fails for good.
func (d *daemon) run(ctx context.Context) (err error) {
	d.ready.wait("the daemon is starting")
	closing := func(f func() error) { err = errors.Join(err, f()) }
	if d.selected[roleHTTP] {
		server, err := startHTTP(ctx, d.cfg.HTTP.Listen, handler(d.ready, d.registry), d.log)
		if err != nil {
			return err
		}
		defer closing(func() error { return server.close(ctx) })
	}
	options := natslog.Options{Logger: d.log}
	if d.cfg.NATS.Embedded != nil {
		options.Embedded, err = natslog.StartEmbedded(ctx, d.cfg.NATS, d.log.With("component", "nats"))
		if err != nil {
			return err
		}
		defer closing(options.Embedded.Close)
	}
	client, err := d.connect(ctx, options)
	if client == nil {
		return err
	}
	defer closing(client.Close)
	store := &sharedStore{cfg: d.cfg.Store, installation: client.Installation, log: d.log.With("component", "store"), registry: d.registry}
	defer closing(store.close)
	return d.work(ctx, client, store)
}

// work makes the roles and runs them.
func (d *daemon) work(ctx context.Context, client *natslog.Client, store *sharedStore) (err error) {
	r := &roleMaker{d: d, client: client, store: store}
	defer func() { err = errors.Join(err, r.close()) }()
	roles, err := r.roles()
	if err != nil {
		return err
	}
	d.ready.expect(roles)
	return connector.Supervise(ctx, roles, d.board, d.log)
}

// sourceNames returns the names of the configured sources.
func (d *daemon) sourceNames() []string {
	out := make([]string, len(d.cfg.Sources))
	for i := range d.cfg.Sources {
		out[i] = d.cfg.Sources[i].Name
	}
	return out
}

// Pause between attempts to reach NATS when the daemon starts.
const (
	connectPauseFirst   = 250 * time.Millisecond
	connectPauseLongest = 10 * time.Second
)

// connect connects to NATS, waiting for a server that cannot be reached: without
// it there are no leases, so nothing can be supervised yet. It returns no client
// when ctx ended or the server refuses us.
func (d *daemon) connect(ctx context.Context, options natslog.Options) (*natslog.Client, error) {
	pause := connectPauseFirst
	for {
		client, err := natslog.Connect(ctx, d.cfg.NATS, options)
		switch {
		case err == nil:
			return client, nil
		case ctx.Err() != nil:
			return nil, nil //nolint:nilerr,nilnil // told to stop before there was anything to drain
		case !errors.Is(err, natslog.ErrUnreachable):
			return nil, err
		}
		d.ready.wait(err.Error())
		d.log.WarnContext(ctx, "nats cannot be reached, will retry", "error", err, "after", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, connectPauseLongest)
	}
}

// roleMaker joins adapters to loops.
type roleMaker struct {
	d       *daemon
	client  *natslog.Client
	store   *sharedStore
	closers []func() error
}

// close releases what the adapters keep, after the roles have ended.
func (r *roleMaker) close() error {
	var errs []error
	for _, f := range r.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

func (r *roleMaker) roles() ([]connector.Role, error) {
	var out []connector.Role
	add := func(name string, join func(lease *natslog.Lease) (runFunc, error)) error {
		if !r.d.selected[name] {
			return nil
		}
		lease, err := r.client.Lease(name, 0)
		if err != nil {
			return err
		}
		run, err := join(lease)
		if err != nil {
			return err
		}
		out = append(out, connector.Role{Name: name, Lease: lease, Run: run})
		return nil
	}
	for i := range r.d.cfg.Sources {
		s := &r.d.cfg.Sources[i]
		err := errors.Join(
			add(roleCapture+"/"+s.Name, func(lease *natslog.Lease) (runFunc, error) { return r.capture(s, lease) }),
			add(roleStore+"/"+s.Name, func(lease *natslog.Lease) (runFunc, error) { return r.deliver(s.Name, lease), nil }))
		if err != nil {
			return nil, err
		}
	}
	err := errors.Join(
		add(roleRelay, func(lease *natslog.Lease) (runFunc, error) { return r.relay(lease), nil }),
		add(roleSweep, func(*natslog.Lease) (runFunc, error) { return r.sweep, nil }),
		add(roleCache, func(*natslog.Lease) (runFunc, error) { return r.project() }))
	return out, err
}

type runFunc = func(ctx context.Context, progress connector.Progress) error

func (r *roleMaker) capture(s *config.Source, lease *natslog.Lease) (runFunc, error) {
	log := r.d.log.With("source", s.Name)
	source, err := sourceOf(s, log, r.d.registry)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, source.Close)
	journal, err := r.client.Log(s.Name, lease)
	if err != nil {
		return nil, err
	}
	capture := connector.NewCapture(connector.CaptureConfig{
		Source: s.Name, Adapter: source, Log: journal, Lease: lease, Mappings: s.Mappings,
		StopOnReject: s.OnReject == config.OnRejectStop, HaltOnGap: s.OnGap == config.OnGapHalt, Keep: r.d.cfg.NATS.Keep, Metrics: r.d.metrics, Logger: log,
		Open: r.client.OpenLog(s.Name), AskKeys: r.client.AskKeys,
	})
	return r.verified(s, source, capture.Jobs(), r.controlled(s.Name, capture)), nil
}

func (r *roleMaker) deliver(source string, lease *natslog.Lease) runFunc {
	return func(ctx context.Context, progress connector.Progress) (err error) {
		store, err := r.store.open(ctx)
		if err != nil {
			return err
		}
		stopKeys, err := r.client.ServeKeys(ctx, source, store.ID(), store.RowKeys)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stopKeys()) }()
		reports := r.client.Reporter(lease)
		defer func() { err = errors.Join(err, reports.Close(context.WithoutCancel(ctx))) }()
		return connector.NewDeliver(connector.DeliverConfig{
			Source: source, Open: r.client.OpenLog(source), Store: store, Reports: reports,
			Metrics: r.d.metrics, Logger: r.d.log, TransactionRows: r.d.cfg.TransactionRows,
			Compared: r.client.ReportComparison,
		}).Run(ctx, progress)
	}
}

func (r *roleMaker) relay(lease *natslog.Lease) runFunc {
	return func(ctx context.Context, progress connector.Progress) error {
		store, err := r.store.open(ctx)
		if err != nil {
			return err
		}
		return connector.NewRelay(connector.RelayConfig{
			Store: store, Levels: r.client.Levels(lease), Sources: r.d.sourceNames(), Metrics: r.d.metrics, Log: r.d.log.With("role", roleRelay),
		}).Run(ctx, progress)
	}
}

func (r *roleMaker) sweep(ctx context.Context, progress connector.Progress) error {
	store, err := r.store.open(ctx)
	if err != nil {
		return err
	}
	return connector.NewSweep(store.Sweep).Run(ctx, progress)
}

func (r *roleMaker) project() (runFunc, error) {
	c, err := cache.New(*r.d.cfg.Cache, r.d.registry)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, c.Close)
	return connector.NewProject(connector.ProjectConfig{
		Open: r.client.OpenLevels, Cache: c, Metrics: r.d.metrics, Log: r.d.log.With("role", roleCache),
	}).Run, nil
}
