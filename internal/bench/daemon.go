package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"tailstock/internal/privateserver"
)

// daemon is a running tailstock.
type daemon struct {
	cmd     *exec.Cmd
	url     string
	config  string
	log     string
	profile string
	started time.Time
	exited  chan error
}

const configText = `
nats: {url: "nats://%s"}
log: {max_bytes: 20GiB}
store: {postgres: %q}
cache: {redis: %q}
http: {listen: %q}
logging: {level: warn}
sources:
  erp:
    %s
`

// inventoryRule is the mapping of the table that most measurements change.
const inventoryRule = ` {contributes: [{sku: sku, location: location, on_hand: on_hand, committed: reserved}]}`

// Roles of a daemon.
const (
	rolesLog   = "capture"
	rolesStore = "store"
	rolesAll   = "capture,store,relay,cache"
)

// daemon starts the binary under test with the given roles and the HTTP endpoint.
func (b *bench) daemon(ctx context.Context, roles string) (*daemon, error) {
	port, err := privateserver.ReservePort()
	if err != nil {
		return nil, err
	}
	defer port.Release() //nolint:errcheck // nothing to lose
	b.round++
	name := fmt.Sprintf("tailstock-%d", b.round)
	config := filepath.Join(b.dir, name+".yaml")
	text := fmt.Sprintf(configText, b.natsPort.Address(), b.store.DSN("stock"), b.redis.URL(), port.Address(), b.source.section)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{url: "http://" + port.Address() + "/metrics", config: config, log: config + ".log", exited: make(chan error, 1)}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.CommandContext(ctx, b.tailstock, "run", "-c", config, "--roles", roles+",http")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if b.profile != "" {
		d.profile = filepath.Join(b.profile, name)
		d.cmd.Env = append(os.Environ(), "BENCH_PROFILE="+d.profile)
	}
	d.started = time.Now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { d.exited <- d.cmd.Wait() }()
	return d, nil
}

// stop drains the daemon. It may be called again.
func (d *daemon) stop(ctx context.Context) error {
	if d.profile != "" {
		_ = d.cmd.Process.Signal(syscall.SIGUSR1)
		err := await(ctx, 10*time.Second, func() (bool, error) {
			_, err := os.Stat(d.profile + ".done")
			return err == nil, nil
		})
		if err != nil {
			return fmt.Errorf("write profile: %w", err)
		}
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-d.exited:
		d.exited <- err
		return d.explain(err)
	case <-time.After(15 * time.Second):
		_ = d.cmd.Process.Kill()
		return errors.New("tailstock did not drain within 15 s")
	}
}

// explain adds the daemon's own words to an error.
func (d *daemon) explain(err error) error {
	if err == nil {
		return nil
	}
	text, _ := os.ReadFile(d.log)
	return fmt.Errorf("tailstock ended: %w: %s", err, text)
}

// await polls the daemon's metrics until condition holds of them.
func (d *daemon) await(ctx context.Context, condition func(metrics) bool) error {
	return await(ctx, 10*time.Minute, func() (bool, error) {
		select {
		case err := <-d.exited:
			d.exited <- err
			return false, errors.Join(errors.New("tailstock ended early"), d.explain(err))
		default:
		}
		m, err := scrape(ctx, d.url)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return false, nil // not up yet
		}
		return err == nil && condition(m), err
	})
}
