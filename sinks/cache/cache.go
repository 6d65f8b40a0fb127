package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"tailstock/connector"
)

// Cache is a cache of levels in Redis or Valkey. Its methods are safe for
// concurrent use; workers that use one Redis fence each other.
type Cache struct {
	cfg     Config
	client  *redis.Client
	scripts scripts
	metrics *metrics
}

var _ connector.Cache = (*Cache)(nil)

// New returns a Cache. It does no I/O: connections are made when they are needed.
// reg may be nil. It silences the Redis client's own log, which knows but one for
// the whole process and repeats what errors say. The Cache must be closed.
func New(cfg Config, reg prometheus.Registerer) (*Cache, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	client, err := newClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &Cache{cfg: cfg, client: client, scripts: newScripts(), metrics: newMetrics(reg)}, nil
}

func newClient(cfg Config) (*redis.Client, error) {
	o, err := cfg.options()
	if err != nil {
		return nil, err
	}
	logging.Disable()
	return redis.NewClient(o), nil
}

// Close closes all connections. No other method may run or be called afterwards.
func (c *Cache) Close() error { return c.client.Close() }

// Place implements connector.Cache. It fails if another version of this program
// has written the cache in a form that this one does not know.
func (c *Cache) Place(ctx context.Context) (connector.CachePlace, error) {
	text, err := c.client.HGet(ctx, c.cfg.placeKey(), "at").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return connector.CachePlace{}, fmt.Errorf("read key %q: %w", c.cfg.placeKey(), explain(err))
	}
	p, err := parsePlace(text)
	if err != nil {
		return connector.CachePlace{}, fmt.Errorf("read key %q: %w", c.cfg.placeKey(), err)
	}
	return p, nil
}

// Rebuild forgets the place, so that the worker, whichever and wherever it is, is
// fenced by its next batch and replays the levels stream. Numbers stay until the
// replay overwrites or drops them. It may be repeated, and is all that is needed
// after somebody wrote or removed keys of the cache.
func (c *Cache) Rebuild(ctx context.Context) error {
	if err := c.client.Del(ctx, c.cfg.placeKey()).Err(); err != nil {
		return fmt.Errorf("forget the cache's place: remove key %q: %w", c.cfg.placeKey(), explain(err))
	}
	return nil
}

// run calls a script on conn. It fails with connector.ErrFenced if the place is
// not from.
func (c *Cache) run(ctx context.Context, conn redis.Scripter, s *redis.Script, from connector.CachePlace,
	keys []string, args []any,
) (any, error) {
	begin := time.Now()
	reply, err := s.Run(ctx, conn, keys, args...).Result()
	if err != nil {
		return nil, explain(err)
	}
	c.metrics.scriptSeconds.Observe(time.Since(begin).Seconds())
	if held, ok := reply.(string); ok {
		return nil, fmt.Errorf("the place is %q instead of %q: %w", held, placeText(from), connector.ErrFenced)
	}
	return reply, nil
}
