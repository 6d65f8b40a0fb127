package cache_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sinks/cache"
)

// args adds to the command line of a server.
func args(words ...string) func(*privateserver.RedisOptions) {
	return func(o *privateserver.RedisOptions) { o.Args = append(o.Args, words...) }
}

// cluster makes a server one of a cluster, with a port for its peers that is reserved.
func cluster(tb testing.TB) []string {
	tb.Helper()
	_, port, err := net.SplitHostPort(testenv.Address(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return []string{"--cluster-enabled", "yes", "--cluster-port", port}
}

// do sends a command and wants no error.
func do(tb testing.TB, r *privateserver.Redis, command ...string) string {
	tb.Helper()
	answer, err := r.Do(tb.Context(), command...)
	if err != nil {
		tb.Fatalf("%v: %v", command, err)
	}
	return answer
}

// finding returns the finding about a requirement that begins so.
func finding(tb testing.TB, cfg cache.Config, requirement string) cdc.Finding {
	tb.Helper()
	found := cache.Check(tb.Context(), cfg)
	for _, f := range found {
		if strings.HasPrefix(f.Requirement, requirement) {
			return f
		}
	}
	tb.Fatalf("no finding about %q in %+v", requirement, found)
	return cdc.Finding{}
}

func TestCheckOfAFreshServer(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	found := cache.Check(t.Context(), cache.Config{URL: r.URL(), Namespace: "shop"})
	var about []string
	for _, f := range found {
		about = append(about, f.Requirement)
		if f.State != cdc.FindingOK || f.Detail == "" || f.Fix != "" {
			t.Errorf("%+v", f)
		}
	}
	want := "[connection to the cache version of the cache's server mode of the cache's server memory of the cache's server " +
		"persistence of the cache's server permissions of the cache's user place in the levels stream]"
	if got := fmt.Sprint(about); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if n := do(t, r, "DBSIZE"); n != "0" {
		t.Errorf("the check has left %s keys", n)
	}
}

func TestCheckFindsSettingsThatHurt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args        []string
		requirement string
		state       cdc.FindingState
		detail, fix string
	}{
		"evicts levels": {
			[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"},
			"memory", cdc.FindingProblem, "products vanish", "noeviction",
		},
		"evicts, but has no limit": {[]string{"--maxmemory-policy", "allkeys-lru"}, "memory", cdc.FindingOK, "no limit", ""},
		"evicts others": {
			[]string{"--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"},
			"memory", cdc.FindingOK, "volatile-lru", "",
		},
		"nearly full": {[]string{"--maxmemory", "1mb"}, "memory", cdc.FindingWarning, "at the limit", "raise maxmemory"},
		"cluster":     {cluster(t), "mode", cdc.FindingProblem, "cluster mode", "not part of a cluster"},
		"replica":     {[]string{"--replicaof", "127.0.0.1 1"}, "mode", cdc.FindingProblem, "replica", "127.0.0.1:1"},
		"append-only": {[]string{"--appendonly", "yes"}, "persistence", cdc.FindingOK, "append-only", ""},
		"in memory":   {nil, "persistence", cdc.FindingOK, "filled anew", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testenv.Redis(t, args(c.args...))
			f := finding(t, cache.Config{URL: r.URL()}, c.requirement)
			if f.State != c.state || !strings.Contains(f.Detail, c.detail) || !strings.Contains(f.Fix, c.fix) {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestCheckTellsTheACLRule(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	do(t, r, "ACL", "SETUSER", "stock", "on", ">geheim", "+ping", "+info")
	cfg := cache.Config{URL: strings.Replace(r.URL(), "://", "://stock:geheim@", 1), Namespace: "shop"}
	const requirement = "permissions"

	f := finding(t, cfg, requirement)
	if f.State != cdc.FindingProblem || !strings.HasPrefix(f.Fix, "ACL SETUSER stock ") {
		t.Fatalf("of a user without rights: %+v", f)
	}
	do(t, r, "ACL", "SETUSER", "stock", "+eval")
	f = finding(t, cfg, requirement)
	for _, command := range []string{"HGET,", "HMGET", "HSET", "DEL", "HGETALL", "HDEL", "SCAN", "PUBLISH", "EVALSHA"} {
		if !strings.Contains(f.Detail, command) {
			t.Errorf("of a user with EVAL alone: %s is not named: %+v", command, f)
		}
	}
	do(t, r, strings.Fields(f.Fix)...)
	if f := finding(t, cfg, requirement); f.State != cdc.FindingOK {
		t.Errorf("after what it said: %+v", f)
	}
	do(t, r, "ACL", "SETUSER", "stock", "resetchannels")
	if f := finding(t, cfg, requirement); f.State != cdc.FindingProblem || !strings.HasSuffix(f.Detail, ": PUBLISH") {
		t.Errorf("without the channel: %+v", f)
	}
	do(t, r, "ACL", "SETUSER", "stock", "-info")
	if f := finding(t, cfg, "settings"); f.State != cdc.FindingWarning || !strings.Contains(f.Fix, "noeviction") {
		t.Errorf("without INFO: %+v", f)
	}
}

func TestCheckOfTheConnection(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	do(t, r, "CONFIG", "SET", "requirepass", "right")
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	for url, fix := range map[string]string{
		r.URL(): "user and password",
		strings.Replace(r.URL(), "://", "://:wrong@", 1): "user and password",
		"redis://:geheim@" + nobody.Addr().String():      "see that the server runs",
		"redis://:geheim@127.0.0.1:x":                    "correct the cache section",
	} {
		found := cache.Check(t.Context(), cache.Config{URL: url})
		if len(found) != 1 || found[0].State != cdc.FindingProblem || !strings.Contains(found[0].Fix, fix) {
			t.Errorf("%s: got %+v", url, found)
		}
		if text := fmt.Sprint(found); strings.Contains(text, "geheim") || strings.Contains(text, ":wrong") {
			t.Errorf("tells a secret: %s", text)
		}
	}
}
