package cache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sinks/cache"
)

// wantError wants an error that says all of some things, and no secret.
func wantError(tb testing.TB, err error, parts ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("no error, want one that says %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			tb.Errorf("error %q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "geheim") {
		tb.Errorf("error %q tells a secret", err)
	}
}

func TestScriptsAreSentAgain(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	c := open(t, cache.Config{URL: r.URL()})
	for i := range uint64(3) {
		do(t, r, "SCRIPT", "FLUSH")
		from := place(i)
		if i == 0 {
			from = connector.CachePlace{}
		}
		apply(t, c, from, place(i+1), level("A", "L", i+1, inventory.One))
	}
}

func TestRestartedEmpty(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	c := open(t, cache.Config{URL: r.URL()})
	apply(t, c, connector.CachePlace{}, place(1), level("A", "L", 1, inventory.One))
	r.Kill()
	_, err := c.Place(t.Context())
	wantError(t, err, `read key "stock:place"`)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = nil
	testenv.Eventually(t, 10*time.Second, func() bool { // connections of before may be in the pool
		err = c.Apply(t.Context(), place(1), place(2), []inventory.LevelMessage{level("A", "L", 2, inventory.One)})
		return errors.Is(err, connector.ErrFenced)
	}, func() string { return fmt.Sprint(err) })
	if got := do(t, r, "DBSIZE"); got != "0" {
		t.Errorf("the fenced call has left %s keys", got)
	}
}

func TestOutOfMemoryChangesNothing(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	c := open(t, cache.Config{URL: r.URL()})
	apply(t, c, connector.CachePlace{}, place(2), level("A", "L", 1, inventory.One), level("B", "L", 2, inventory.One))
	do(t, r, "CONFIG", "SET", "maxmemory", "1")
	// What only removes would be permitted.
	err := c.Apply(t.Context(), place(2), place(5),
		[]inventory.LevelMessage{gone("A", "L", 3), level("B", "L", 4, 4*inventory.One), level("C", "L", 5, inventory.One)})
	wantError(t, err, "OOM", "nothing was changed", "maxmemory")
	wantError(t, c.BeginReplay(t.Context(), place(2), replaying(0, 2)), "OOM")
	for sku, want := range map[string]string{"A": "1/1 map[L:1@7.1]", "B": "1/1 map[L:1@7.2]", "C": "/ map[]"} {
		if got := stock(t, c, sku); got != want {
			t.Errorf("%s is %s, want %s", sku, got, want)
		}
	}
	do(t, r, "CONFIG", "SET", "maxmemory", "0")
	if err := c.BeginReplay(t.Context(), place(2), replaying(0, 2)); err != nil {
		t.Fatal(err)
	}
	do(t, r, "CONFIG", "SET", "maxmemory", "1")
	wantError(t, c.EndReplay(t.Context(), replaying(0, 2), place(2)), "OOM")
	if got, want := stock(t, c, "A"), "1/1 map[L:1@7.1]"; got != want {
		t.Errorf("A is %s, want %s", got, want)
	}
	if err := c.Rebuild(t.Context()); err != nil { // needs no memory
		t.Error(err)
	}
}

func TestServersThatRefuse(t *testing.T) {
	t.Parallel()
	levels := []inventory.LevelMessage{level("A", "L", 1, inventory.One), level("B", "L", 1, inventory.One)}
	for name, c := range map[string]struct {
		args, setup []string
		user        string
		says        []string
	}{
		"replica":          {args: []string{"--replicaof", "127.0.0.1 1"}, says: []string{"READONLY", "name the primary"}},
		"no password":      {setup: []string{"CONFIG", "SET", "requirepass", "geheim"}, says: []string{"user and password"}},
		"wrong password":   {setup: []string{"CONFIG", "SET", "requirepass", "right"}, user: ":geheim@", says: []string{"WRONGPASS", "user and password"}},
		"no such user":     {user: "shop:geheim@", says: []string{"WRONGPASS", "user and password"}},
		"without a right":  {setup: []string{"ACL", "SETUSER", "default", "-publish"}, says: []string{"tailstock check"}},
		"without channels": {setup: []string{"ACL", "SETUSER", "default", "resetchannels"}, says: []string{"tailstock check"}},
		"without scripts":  {setup: []string{"ACL", "SETUSER", "default", "-evalsha", "-eval"}, says: []string{"NOPERM", "tailstock check"}},
		"not a hash":       {setup: []string{"SET", "stock:{B}", "x"}, says: []string{"stock:{B}", "WRONGTYPE"}},
		"unable to save":   {setup: []string{"CONFIG", "SET", "min-replicas-to-write", "1"}, says: []string{"NOREPLICAS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testenv.Redis(t, args(c.args...))
			if c.setup != nil {
				do(t, r, c.setup...)
			}
			adapter := open(t, cache.Config{URL: strings.Replace(r.URL(), "://", "://"+c.user, 1)})
			wantError(t, adapter.Apply(t.Context(), connector.CachePlace{}, place(1), levels), c.says...)
		})
	}
}

// A right that is missing halfway through a script lets nothing be forgotten.
func TestWhatARightForbadeIsDoneLater(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"publish", "hdel"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			r := testenv.Redis(t)
			c := open(t, cache.Config{URL: r.URL()})
			apply(t, c, connector.CachePlace{}, place(1), level("A", "L", 1, inventory.One), level("A", "M", 1, inventory.One))
			do(t, r, "ACL", "SETUSER", "default", "-"+command)
			batch := []inventory.LevelMessage{gone("A", "L", 2), level("A", "M", 3, 5*inventory.One), level("B", "L", 4, inventory.One)}
			wantError(t, c.Apply(t.Context(), place(1), place(4), batch), "tailstock check")
			do(t, r, "ACL", "SETUSER", "default", "+"+command)
			apply(t, c, place(1), place(4), batch...)
			if got, want := stock(t, c, "A"), "5/5 map[L:@7.2 M:5@7.3]"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestClusterIsRefused(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t, args(cluster(t)...))
	c := open(t, cache.Config{URL: r.URL()})
	_, err := c.Place(t.Context()) // no slot is served
	if !errors.Is(err, cache.ErrCluster) {
		t.Errorf("Place without slots: got %v", err)
	}
	do(t, r, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	testenv.Eventually(t, 30*time.Second, func() bool {
		_, err = c.Place(t.Context())
		return err == nil
	}, func() string { return err.Error() })
	err = c.Apply(t.Context(), connector.CachePlace{}, place(1), []inventory.LevelMessage{level("A", "L", 1, inventory.One)})
	if !errors.Is(err, cache.ErrCluster) {
		t.Errorf("Apply over several slots: got %v", err)
	}
	if got := do(t, r, "DBSIZE"); got != "0" {
		t.Errorf("left %s keys", got)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	c := open(t, cache.Config{URL: "redis://:geheim@" + nobody.Addr().String()})
	_, err = c.Place(t.Context())
	wantError(t, err, nobody.Addr().String(), "refused")
}

func TestSilentServer(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	c := open(t, cache.Config{URL: r.URL(), CommandTimeout: 100 * time.Millisecond})
	apply(t, c, connector.CachePlace{}, place(1))
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Place(t.Context())
	wantError(t, err, "timeout")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := c.Rebuild(ctx); err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("Rebuild took %s and returned %v", time.Since(begin), err)
	}
	if err := r.Continue(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, func() bool {
		_, err = c.Place(t.Context())
		return err == nil
	}, func() string { return err.Error() })
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	var socket string
	r := testenv.Redis(t, func(o *privateserver.RedisOptions) {
		socket = filepath.Join(o.Dir, "s")
		o.Args = []string{"--unixsocket", socket, "--unixsocketperm", "777"}
	})
	apply(t, open(t, cache.Config{URL: "unix://" + socket + "?db=3"}), connector.CachePlace{}, place(1), level("A", "L", 1, inventory.One))
	if got, want := stock(t, open(t, cache.Config{URL: r.URL() + "/3"}), "A"), "1/1 map[L:1@7.1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPlaceOfAnotherVersion(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	c := open(t, cache.Config{URL: r.URL()})
	for _, text := range []string{"2 7 1 0 levels", "1 7 1 levels", "1 7 1 0 levels more", "x"} {
		do(t, r, "HSET", "stock:place", "at", text)
		_, err := c.Place(t.Context())
		wantError(t, err, "stock:place", text, "cache rebuild")
		if !errors.Is(c.Apply(t.Context(), place(1), place(2), nil), connector.ErrFenced) {
			t.Errorf("%q does not fence", text)
		}
		if f := finding(t, cache.Config{URL: r.URL()}, "place"); f.State != "problem" || !strings.Contains(f.Detail, text) {
			t.Errorf("%q: found %+v", text, f)
		}
	}
	if err := c.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Place(t.Context()); err != nil || p != (connector.CachePlace{}) {
		t.Errorf("after Rebuild: %+v, %v", p, err)
	}
}

// Installations share a server, and strangers' keys are left alone.
func TestNamespacesDoNotMeet(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	var caches []*cache.Cache
	for _, namespace := range []string{"", "a", "b"} {
		c := open(t, cache.Config{URL: r.URL(), Namespace: namespace})
		apply(t, c, connector.CachePlace{}, place(1), level("A", "L", 1, inventory.One))
		caches = append(caches, c)
	}
	do(t, r, "HSET", "stock:{A}:mine", "available:L", "1")
	do(t, r, "SET", "stock:{text}", "1")
	do(t, r, "HSET", "x:stock:{A}", "available:L", "1")
	keys := do(t, r, "DBSIZE")
	for i, c := range caches {
		if err := c.BeginReplay(t.Context(), place(1), replaying(0, 1)); err != nil {
			t.Fatal(err)
		}
		if err := c.EndReplay(t.Context(), replaying(0, 1), place(1)); err != nil {
			t.Fatal(err)
		}
		for j, other := range caches {
			want := "1/1 map[L:1@7.1]"
			if j <= i {
				want = "/ map[L:@7.1]"
			}
			if got := stock(t, other, "A"); got != want {
				t.Errorf("after the replay of %d, %d has %s, want %s", i, j, got, want)
			}
		}
	}
	if got := do(t, r, "DBSIZE"); got != keys {
		t.Errorf("there were %s keys, and are %s", keys, got)
	}
	for _, key := range []string{"stock:{A}:mine", "x:stock:{A}"} {
		if got := do(t, r, "HGET", key, "available:L"); got != "1" {
			t.Errorf("the stranger's %s has %q", key, got)
		}
	}
}

// What a stranger did to the hashes does not stop the cache, and a rebuild mends it.
func TestRebuildMendsWhatAStrangerDid(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"number":          {"HSET", "stock:{A}", "available:L", "many"},
		"number removed":  {"HDEL", "stock:{A}", "available:L"},
		"foreign number":  {"HSET", "stock:{A}", "available:X", "7"},
		"version removed": {"HDEL", "stock:{A}", "version:L"},
		"total":           {"HSET", "stock:{A}", "available", "99"},
		"total no number": {"HSET", "stock:{A}", "sellable", "nan"},
		"totals removed":  {"HDEL", "stock:{A}", "available", "sellable"},
		"locations":       {"HSET", "stock:{A}", "locations", "1"},
		"hash":            {"DEL", "stock:{A}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testenv.Redis(t)
			c := open(t, cache.Config{URL: r.URL()})
			levels := []inventory.LevelMessage{level("A", "L", 1, inventory.One), level("A", "M", 2, 2*inventory.One)}
			apply(t, c, connector.CachePlace{}, place(2), levels...)
			do(t, r, command...)
			apply(t, c, place(2), place(3), level("A", "M", 3, 3*inventory.One))
			levels[1] = level("A", "M", 3, 3*inventory.One)
			if err := c.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.BeginReplay(t.Context(), connector.CachePlace{}, replaying(0, 3)); err != nil {
				t.Fatal(err)
			}
			apply(t, c, replaying(0, 3), replaying(3, 3), levels...)
			if err := c.EndReplay(t.Context(), replaying(3, 3), place(3)); err != nil {
				t.Fatal(err)
			}
			if got, want := stock(t, c, "A"), "4/4 map[L:1@7.1 M:3@7.3]"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := do(t, r, "HGET", "stock:{A}", "locations"); got != "2" {
				t.Errorf("at %s locations, want 2", got)
			}
			if got := do(t, r, "HEXISTS", "stock:{A}", "available:X"); got != "0" {
				t.Error("the foreign number is still there")
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	c, err := cache.New(cache.Config{URL: testenv.Redis(t).URL()}, reg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	apply(t, c, connector.CachePlace{}, place(2), level("A", "L", 1, inventory.One), level("A", "M", 2, inventory.One))
	apply(t, c, place(2), place(2), level("A", "L", 1, inventory.One))
	if err := c.BeginReplay(t.Context(), place(2), replaying(0, 2)); err != nil {
		t.Fatal(err)
	}
	if err := c.EndReplay(t.Context(), replaying(0, 2), place(2)); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	want := map[string]float64{
		"tailstock_cache_stale_levels_total": 1, "tailstock_cache_dropped_cells_total": 2,
		"tailstock_cache_script_seconds": 5, // two of Apply; one begins, one sweeps and one ends a replay
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
