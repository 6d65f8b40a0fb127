package connector_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// projectTest is a projection between a stream and a cache that the test scripts.
type projectTest struct {
	looped
	stream *levelFeed
	cache  *placeCache
}

func projected(t *testing.T, edit func(*projectTest), f func(*projectTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &projectTest{
			looped: inBubble(t),
			stream: &levelFeed{id: "levels", changed: make(chan struct{})},
			cache:  &placeCache{},
		}
		if edit != nil {
			edit(p)
		}
		project := connector.NewProject(connector.ProjectConfig{
			Open: p.stream.open, Cache: p.cache, Metrics: connector.NewMetrics(p.reg), Log: slog.New(slog.DiscardHandler),
		})
		p.around(project.Run, func() { f(p) })
	})
}

func (p *projectTest) wantDid(want ...string) {
	p.t.Helper()
	synctest.Wait()
	p.cache.mu.Lock()
	defer p.cache.mu.Unlock()
	if !slices.Equal(p.cache.did, want) {
		p.t.Errorf("cache did\n  %s\nwant\n  %s", strings.Join(p.cache.did, "\n  "), strings.Join(want, "\n  "))
	}
}

func level(sku string, session, sequence, first, after uint64) inventory.LevelMessage {
	m := inventory.LevelMessage{First: first, After: after}
	m.SKU, m.Location = inventory.SKU(sku), "L"
	m.Version = inventory.Version{Session: session, Sequence: sequence}
	m.UpdatedAt, m.CommittedAt = time.Now(), time.Now()
	return m
}

// levelFeed is a levels stream.
type levelFeed struct {
	mu       sync.Mutex
	id       string
	messages []inventory.LevelMessage
	changed  chan struct{}
	absent   bool
	opened   atomic.Int64
	stuck    bool // gives nothing to readers
	fail     error
}

func (l *levelFeed) add(m ...inventory.LevelMessage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m...)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *levelFeed) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *levelFeed) open(context.Context) (connector.LevelsReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened.Add(1)
	if l.absent {
		return nil, connector.ErrNoLog
	}
	return &levelFeedReader{feed: l}, nil
}

type levelFeedReader struct {
	feed *levelFeed
	next uint64
}

func (r *levelFeedReader) Tail(context.Context) (connector.LevelsTail, error) {
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	t := connector.LevelsTail{Stream: r.feed.id}
	if n := len(r.feed.messages); n > 0 {
		m := r.feed.messages[n-1]
		t.Sequence, t.Session, t.First, t.After = m.Version.Sequence, m.Version.Session, m.First, m.After
	}
	return t, r.feed.fail
}

func (r *levelFeedReader) Seek(_ context.Context, sequence uint64) error {
	r.next = sequence + 1
	return nil
}

func (r *levelFeedReader) Next(ctx context.Context, limit int, wait time.Duration) ([]inventory.LevelMessage, error) {
	until := time.After(wait)
	for {
		r.feed.mu.Lock()
		var out []inventory.LevelMessage
		for _, m := range r.feed.messages {
			if m.Version.Sequence >= r.next && len(out) < limit && !r.feed.stuck {
				out = append(out, m)
			}
		}
		changed := r.feed.changed
		r.feed.mu.Unlock()
		if len(out) > 0 {
			r.next = out[len(out)-1].Version.Sequence + 1
			return out, nil
		}
		select {
		case <-changed:
		case <-until:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *levelFeedReader) Close() error { return nil }

// placeCache is a cache; did tells what was done to it.
type placeCache struct {
	mu    sync.Mutex
	place connector.CachePlace
	did   []string
	fail  func(operation string) error
}

func (c *placeCache) Place(context.Context) (connector.CachePlace, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.place, c.failed("place")
}

func (c *placeCache) failed(operation string) error {
	if c.fail == nil {
		return nil
	}
	return c.fail(operation)
}

func (c *placeCache) move(operation, did string, from, to connector.CachePlace) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failed(operation); err != nil {
		return err
	}
	if c.place != from {
		return connector.ErrFenced
	}
	c.place = to
	c.did = append(c.did, did)
	return nil
}

func (c *placeCache) Apply(_ context.Context, from, to connector.CachePlace, levels []inventory.LevelMessage) error {
	did := "apply"
	if from.Replay != 0 {
		did = "overwrite"
	}
	for _, l := range levels {
		did += " " + string(l.SKU)
	}
	return c.move("apply", did, from, to)
}

func (c *placeCache) BeginReplay(_ context.Context, from, to connector.CachePlace) error {
	if to.Replay == 0 {
		return errors.New("the place does not say that a replay runs")
	}
	return c.move("begin", "begin replay", from, to)
}

func (c *placeCache) EndReplay(_ context.Context, from, to connector.CachePlace) error {
	return c.move("end", "end replay", from, to)
}

func cacheAt(stream string, session, sequence uint64) connector.CachePlace {
	return connector.CachePlace{Place: connector.Place{Stream: stream, Session: session, Sequence: sequence}}
}

// A cache goes on from its place if it has missed nothing of the stream, and
// otherwise replays it.
func TestCacheGoesOnOrReplays(t *testing.T) {
	t.Parallel()
	replaying := cacheAt("levels", 5, 11)
	replaying.Replay = 12
	// The stream: session 5 from 11 on after session 4, the last at 12.
	for name, tt := range map[string]struct {
		place connector.CachePlace
		want  []string
	}{
		"at the end":             {cacheAt("levels", 5, 12), nil},
		"behind":                 {cacheAt("levels", 5, 11), []string{"apply B"}},
		"in the session before":  {cacheAt("levels", 4, 10), []string{"apply A B"}},
		"beyond that session":    {cacheAt("levels", 4, 11), []string{"begin replay", "overwrite A B", "end replay"}},
		"two sessions before":    {cacheAt("levels", 3, 10), []string{"begin replay", "overwrite A B", "end replay"}},
		"in a later session":     {cacheAt("levels", 6, 12), []string{"begin replay", "overwrite A B", "end replay"}},
		"beyond the end":         {cacheAt("levels", 5, 13), []string{"begin replay", "overwrite A B", "end replay"}},
		"in another stream":      {cacheAt("other", 5, 12), []string{"begin replay", "overwrite A B", "end replay"}},
		"empty":                  {connector.CachePlace{}, []string{"begin replay", "overwrite A B", "end replay"}},
		"within a replay":        {replaying, []string{"begin replay", "overwrite A B", "end replay"}},
		"at the end of a replay": {connector.CachePlace{Place: cacheAt("levels", 5, 12).Place, Replay: 12}, []string{"begin replay", "overwrite A B", "end replay"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			projected(t, func(p *projectTest) {
				p.cache.place = tt.place
				p.stream.add(level("A", 5, 11, 11, 4), level("B", 5, 12, 11, 4))
			}, func(p *projectTest) {
				p.wantDid(tt.want...)
				later(10 * time.Second)
				p.wantDid(tt.want...)
				if want := cacheAt("levels", 5, 12); p.cache.place != want {
					t.Errorf("cache is at %+v, want %+v", p.cache.place, want)
				}
				if (tt.want != nil) != (len(p.cache.did) > 0) {
					t.Errorf("did %v", p.cache.did)
				}
			})
		})
	}
}

func TestCacheOfEmptyStream(t *testing.T) {
	t.Parallel()
	projected(t, func(p *projectTest) { p.cache.place = cacheAt("earlier", 5, 12) }, func(p *projectTest) {
		p.wantDid("begin replay", "end replay")
		p.stream.add(level("A", 1, 1, 1, 0))
		p.wantDid("begin replay", "end replay", "apply A")
		wantMetric(t, p.reg, "tailstock_cache_replays_total", 1)
	})
}

func TestCacheWaitsForStream(t *testing.T) {
	t.Parallel()
	projected(t, func(p *projectTest) { p.stream.absent = true }, func(p *projectTest) {
		later(time.Minute)
		if p.stream.opened.Load() < 10 || p.stream.opened.Load() > 1_000 {
			t.Errorf("looked for the stream %d times in a minute", p.stream.opened.Load())
		}
		p.stream.change(func() { p.stream.absent = false })
		later(time.Second)
		p.wantDid("begin replay", "end replay")
	})
}

func TestCacheFollowsSessions(t *testing.T) {
	t.Parallel()
	start := func(p *projectTest) {
		p.cache.place = cacheAt("levels", 5, 12)
		p.stream.add(level("B", 5, 12, 11, 4))
	}
	t.Run("next", func(t *testing.T) {
		t.Parallel()
		projected(t, start, func(p *projectTest) {
			p.stream.add(level("C", 5, 13, 11, 4), level("D", 7, 14, 14, 5), level("E", 8, 16, 15, 7))
			p.wantDid("apply C D E")
			if want := cacheAt("levels", 8, 16); p.cache.place != want {
				t.Errorf("cache is at %+v, want %+v", p.cache.place, want)
			}
		})
	})
	t.Run("one is missing", func(t *testing.T) {
		t.Parallel()
		projected(t, start, func(p *projectTest) {
			p.stream.add(level("C", 5, 13, 11, 4), level("D", 8, 14, 14, 7))
			p.wantDid("apply C", "begin replay", "overwrite B C D", "end replay")
		})
	})
	t.Run("began below", func(t *testing.T) {
		t.Parallel()
		projected(t, start, func(p *projectTest) {
			p.stream.change(func() { p.stream.messages = nil })
			p.stream.add(level("C", 7, 12, 12, 5), level("D", 7, 13, 12, 5))
			p.wantDid("begin replay", "overwrite C D", "end replay")
		})
	})
	t.Run("lost its tail", func(t *testing.T) {
		t.Parallel()
		projected(t, start, func(p *projectTest) {
			p.stream.change(func() { p.stream.messages = []inventory.LevelMessage{level("A", 5, 11, 11, 4)} })
			later(5 * time.Second)
			p.wantDid("begin replay", "overwrite A", "end replay")
		})
	})
}

// A cache that was emptied while nothing comes is filled at once.
func TestEmptiedCacheIsFilled(t *testing.T) {
	t.Parallel()
	projected(t, func(p *projectTest) {
		p.cache.place = cacheAt("levels", 5, 12)
		p.stream.add(level("B", 5, 12, 11, 4))
	}, func(p *projectTest) {
		p.cache.mu.Lock()
		p.cache.place = connector.CachePlace{}
		p.cache.mu.Unlock()
		later(5 * time.Second)
		p.wantDid("begin replay", "overwrite B", "end replay")
	})
}

// Levels that come while a replay runs are applied after it, by their versions.
func TestLevelsBehindReplay(t *testing.T) {
	t.Parallel()
	projected(t, func(p *projectTest) {
		p.stream.stuck = true
		p.stream.add(level("A", 5, 11, 11, 4), level("B", 5, 12, 11, 4))
	}, func(p *projectTest) {
		p.stream.change(func() {
			p.stream.stuck = false
			p.stream.messages = []inventory.LevelMessage{level("B", 5, 12, 11, 4), level("A", 5, 13, 11, 4)}
		})
		p.stream.add()
		p.wantDid("begin replay", "overwrite B", "end replay", "apply A")
	})
}

func TestReplayOfStreamThatShrinks(t *testing.T) {
	t.Parallel()
	projected(t, func(p *projectTest) {
		p.stream.stuck = true
		p.stream.add(level("A", 5, 11, 11, 4), level("B", 5, 12, 11, 4))
	}, func(p *projectTest) {
		p.stream.change(func() {
			p.stream.stuck = false
			p.stream.messages = p.stream.messages[:1]
		})
		later(10 * time.Second)
		p.wantDid("begin replay", "begin replay", "overwrite A", "end replay")
	})
}

func TestProjectFails(t *testing.T) {
	t.Parallel()
	for operation, text := range map[string]string{
		"place": "read the cache's place", "begin": "begin replay in the cache", "apply": "apply levels in the cache", "end": "end replay in the cache",
	} {
		for _, want := range []error{errInjected, connector.ErrFenced} {
			projected(t, func(p *projectTest) {
				p.cache.fail = func(o string) error {
					if o == operation {
						return want
					}
					return nil
				}
				p.stream.add(level("A", 5, 11, 11, 4))
			}, func(p *projectTest) {
				if err := p.end(); !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want it to say %q", err, text)
				}
			})
		}
	}
	projected(t, func(p *projectTest) { p.stream.fail = errInjected }, func(p *projectTest) {
		if err := p.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "read tail of levels stream") {
			t.Errorf("got %v", err)
		}
	})
}

func TestProjectEnds(t *testing.T) {
	t.Parallel()
	projected(t, nil, func(p *projectTest) {
		p.cancel()
		if err := p.end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestCacheLatency(t *testing.T) {
	t.Parallel()
	projected(t, nil, func(p *projectTest) {
		session := uint64(time.Now().UnixMilli())
		fresh, again := level("A", session, 1, 1, 0), level("B", session, 2, 1, 0)
		again.UpdatedAt = time.UnixMilli(int64(session)).Add(-time.Hour)
		p.stream.add(fresh, again)
		p.wantDid("begin replay", "end replay", "apply A B")
		wantMetric(t, p.reg, "tailstock_cache_levels_total", 2)
		wantMetric(t, p.reg, "tailstock_cache_latency_seconds", 1)
	})
}
