package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/internal/privateserver"
)

// bench holds the private servers and the binaries.
type bench struct {
	options
	dir                   string
	table                 *table
	tailstock, natsServer string

	erp, store *privateserver.Postgres
	redis      *privateserver.Redis
	// source is what the daemon follows: erp, or a MariaDB.
	source   *source
	nats     *exec.Cmd
	natsPort *privateserver.Port
	// round counts the daemons, for the names of their files.
	round int
}

func (b *bench) start(ctx context.Context) (err error) {
	if b.natsPort, err = privateserver.ReservePort(); err != nil {
		return err
	}
	if err := b.postgres(ctx); err != nil {
		return err
	}
	b.store, err = privateserver.StartPostgres(ctx, privateserver.PostgresOptions{
		Dir: filepath.Join(b.dir, "store"),
		Settings: map[string]string{
			"fsync": "on", "wal_level": "replica", "max_wal_size": "8GB", "shared_buffers": "512MB",
		},
	})
	if err != nil {
		return err
	}
	b.redis, err = privateserver.StartRedis(ctx, privateserver.RedisOptions{Dir: filepath.Join(b.dir, "redis")})
	return err
}

// close ends the servers. They are private and their files about to be deleted.
func (b *bench) close() {
	b.killNATS()
	if b.redis != nil {
		_ = b.redis.Close()
	}
	for _, s := range []*privateserver.Postgres{b.store, b.erp} {
		if s != nil {
			_ = s.Close()
		}
	}
	if b.natsPort != nil {
		_ = b.natsPort.Release()
	}
}

// reset gives a measurement fresh databases, an empty NATS and an empty Redis.
func (b *bench) reset(ctx context.Context, rows int) error {
	err := b.exec(ctx, b.store.DSN("postgres"),
		`drop database if exists stock with (force)`, `create database stock`, `checkpoint`)
	if err != nil {
		return err
	}
	if err := b.source.fresh(ctx, rows); err != nil {
		return err
	}
	if err := b.redis.Flush(ctx); err != nil {
		return err
	}
	b.killNATS()
	if err := os.RemoveAll(b.natsDir()); err != nil {
		return err
	}
	return b.startNATS(ctx)
}

func (b *bench) natsDir() string { return filepath.Join(b.dir, "nats") }

// startNATS starts an external server that syncs every message.
func (b *bench) startNATS(ctx context.Context) error {
	config := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n",
		b.natsPort.Address(), b.natsDir())
	file := filepath.Join(b.dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	b.nats = exec.CommandContext(ctx, b.natsServer, "-c", file, "-l", filepath.Join(b.dir, "nats.log"))
	if err := b.nats.Start(); err != nil {
		return err
	}
	return await(ctx, time.Minute, func() (bool, error) {
		c, err := net.Dial("tcp", b.natsPort.Address())
		if err != nil {
			return false, nil //nolint:nilerr // not up yet
		}
		return true, c.Close()
	})
}

func (b *bench) killNATS() {
	if b.nats == nil {
		return
	}
	_ = b.nats.Process.Kill()
	_ = b.nats.Wait()
	b.nats = nil
}

// exec runs statements, one after another.
func (b *bench) exec(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// query reads one row.
func (b *bench) query(ctx context.Context, dsn, sql string, into ...any) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.QueryRow(ctx, sql).Scan(into...)
}

// pollEvery is how often a condition is looked at: rarely enough that the looking
// takes nothing from what is measured.
const pollEvery = 50 * time.Millisecond

// await polls condition until it holds.
func await(ctx context.Context, limit time.Duration, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("took longer than "+limit.String()))
	defer cancel()
	for {
		ok, err := condition()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}
