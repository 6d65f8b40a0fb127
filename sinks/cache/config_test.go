package cache_test

import (
	"strings"
	"testing"
	"time"

	"tailstock/sinks/cache"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := cache.Config{
		Channel: cache.ChannelDefault, ConnectTimeout: cache.ConnectTimeoutDefault, CommandTimeout: cache.CommandTimeoutDefault,
	}
	if got := (cache.Config{}).WithDefaults(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (cache.Config{Namespace: "shop"}).WithDefaults().Channel; got != "shop:stock:changed" {
		t.Errorf("the channel in a namespace is %q", got)
	}
	own := cache.Config{Namespace: "shop", Channel: "mine", ConnectTimeout: time.Hour, CommandTimeout: time.Minute}
	if got := own.WithDefaults(); got != own {
		t.Errorf("changed %+v to %+v", own, got)
	}
}

func TestValidateReportsEverything(t *testing.T) {
	t.Parallel()
	err := cache.Config{Namespace: "Ä", ConnectTimeout: -1, CommandTimeout: -1}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, field := range []string{"url: missing", "namespace: ", "connect_timeout: ", "command_timeout: "} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not tell of %q", err, field)
		}
	}
	if _, err := cache.New(cache.Config{}, nil); err == nil || !strings.Contains(err.Error(), "url: missing") {
		t.Errorf("New: got %v", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://host", "redis://host:6380/3", "redis://:geheim@host", "redis://user:gehei%2Fm@[::1]:6379/0", "rediss://host",
		"unix:///run/redis.sock", "unix://user:geheim@/run/redis.sock?db=2",
	} {
		if err := (cache.Config{URL: url}).Validate(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{
		"host:6379", "http://:geheim@host", "redis:geheim@host", "redis://", "redis://:geheim@", "unix://", "redis://host/geheim",
		"redis://:geheim/x@host", "redis://:geheim#x@host", "redis://:geheim?x@host", "redis://user/geheim@host", "redis://host?geheim=1",
		"redis://:gehe%im@host", "redis://:geheim\x00@host", "://geheim",
	} {
		err := cache.Config{URL: url}.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), "url: must be like redis://") {
			t.Errorf("%q: got %v", url, err)
			continue
		}
		if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: tells a secret: %v", url, err)
		}
	}
}
