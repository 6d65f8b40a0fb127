package cache_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sinks/cache"
	"tailstock/sinks/sinktest"
)

func TestRedisConforms(t *testing.T) {
	t.Parallel()
	sinktest.Cache(t, func(t testing.TB) sinktest.CacheServer { return newServer(t, "", false) })
}

// In a namespace, on a server that keeps what it acknowledged.
func TestPersistentRedisConforms(t *testing.T) {
	t.Parallel()
	sinktest.Cache(t, func(t testing.TB) sinktest.CacheServer { return newServer(t, "shop", true) })
}

// server is a private Redis for the suite.
type server struct {
	*privateserver.Redis
	cfg  cache.Config
	kept bool
	// client reads, and listens for announcements.
	client *redis.Client
	reader *cache.Cache

	watched *redis.PubSub
}

func newServer(t testing.TB, namespace string, kept bool) *server {
	t.Helper()
	r := testenv.Redis(t, func(o *privateserver.RedisOptions) { o.AppendOnly = kept })
	s := &server{Redis: r, cfg: cache.Config{URL: r.URL(), Namespace: namespace}.WithDefaults(), kept: kept}
	o, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	s.client = redis.NewClient(o)
	t.Cleanup(func() { _ = s.client.Close() })
	s.reader = open(t, s.cfg)
	return s
}

func (s *server) Open(t testing.TB) sinktest.LevelCache {
	c, err := cache.New(s.cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *server) Read(t testing.TB, sku inventory.SKU) sinktest.Cached {
	t.Helper()
	held, err := s.reader.Stock(t.Context(), sku)
	if err != nil {
		t.Fatal(err)
	}
	c := sinktest.Cached{Available: held.Available, Sellable: held.Sellable, Locations: make(map[inventory.LocationID]string)}
	for location, l := range held.Locations {
		if l.Available != "" {
			c.Locations[location] = l.Available
		}
	}
	return c
}

func (s *server) Watch(t testing.TB) {
	t.Helper()
	s.watched = s.client.Subscribe(t.Context(), s.cfg.Channel)
	t.Cleanup(func() { _ = s.watched.Close() })
	if _, err := s.watched.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Announced reads up to a mark that it publishes itself.
func (s *server) Announced(t testing.TB) map[inventory.SKU]bool {
	t.Helper()
	const mark = "\x00mark" // no SKU
	if err := s.client.Publish(t.Context(), s.cfg.Channel, mark).Err(); err != nil {
		t.Fatal(err)
	}
	skus := make(map[inventory.SKU]bool)
	for {
		m, err := s.watched.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Payload == mark {
			return skus
		}
		skus[inventory.SKU(m.Payload)] = true
	}
}

func (s *server) Empty(t testing.TB) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *server) Crash(t testing.TB) bool {
	s.Kill()
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	return s.kept
}
