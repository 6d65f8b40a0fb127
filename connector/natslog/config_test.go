package natslog_test

import (
	"strings"
	"testing"
	"time"

	"tailstock/connector/natslog"
)

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	negative := -time.Second
	embedded := &natslog.EmbeddedConfig{Dir: "x"}
	for _, good := range []natslog.Config{
		{URL: "nats://a:4222"},
		{URL: "tls://u:p@a:4222, nats://b", Namespace: "staging-2", Replicas: 3, Creds: "f"},
		{Embedded: embedded},
		{Embedded: &natslog.EmbeddedConfig{Dir: "x", Listen: "127.0.0.1:4222"}, Replicas: 1},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, bad := range map[string]natslog.Config{
		"url: give either":          {},
		"give either a url":         {URL: "nats://a", Embedded: embedded},
		"url: \"a:4222\"":           {URL: "a:4222"},
		"xxxxx@a":                   {URL: "http://u:secret@a"},
		"creds: give":               {URL: "nats://a", Creds: "a", NKey: "b"},
		"tls.cert":                  {URL: "nats://a", TLS: natslog.TLS{Cert: "a"}},
		"namespace: \"a_b\"":        {URL: "nats://a", Namespace: "a_b"},
		"replicas: 6":               {URL: "nats://a", Replicas: 6},
		"replicas: the embedded":    {Embedded: embedded, Replicas: 3},
		"embedded: it makes":        {Embedded: embedded, Creds: "a"},
		"embedded.dir":              {Embedded: &natslog.EmbeddedConfig{}},
		"embedded.listen: \"4222\"": {Embedded: &natslog.EmbeddedConfig{Dir: "x", Listen: "4222"}},
		"max_bytes":                 {URL: "nats://a", MaxBytes: -1},
		"rejects_max_bytes":         {URL: "nats://a", RejectsMaxBytes: -1},
		"confirm_delay":             {URL: "nats://a", ConfirmDelay: &negative},
		"keep":                      {URL: "nats://a", Keep: -1},
	} {
		err := bad.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("want an error with %q, got %v", want, err)
		}
		if _, err := natslog.Connect(t.Context(), bad, natslog.Options{}); err == nil {
			t.Errorf("connected with %+v", bad)
		}
	}
	both := natslog.Config{URL: "nats://a", Replicas: 9, MaxBytes: -1}
	if err := both.Validate(); !strings.Contains(err.Error(), "replicas") || !strings.Contains(err.Error(), "max_bytes") {
		t.Errorf("not every problem at once: %v", err)
	}
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	_, err := natslog.Connect(t.Context(), natslog.Config{URL: "nats://u:secret@" + freeAddress(t)}, natslog.Options{})
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "connect to nats at nats://u:xxxxx@127.0.0.1:") {
		t.Errorf("got %v", err)
	}
	_, err = natslog.Connect(t.Context(), natslog.Config{URL: "nats://a", NKey: "/nowhere"}, natslog.Options{})
	if err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("got %v", err)
	}
}

// TestConfirmDelay: an external server is taken for lazy unless the operator says otherwise.
func TestConfirmDelay(t *testing.T) {
	t.Parallel()
	zero, long := time.Duration(0), time.Hour
	for _, tt := range []struct {
		external bool
		set      *time.Duration
		want     time.Duration
	}{
		{false, nil, 0},
		{false, &long, time.Hour},
		{true, nil, natslog.DefaultConfirmDelay},
		{true, &zero, 0},
		{true, &long, time.Hour},
	} {
		w := newWorld(t, func(c *natslog.Config) { c.ConfirmDelay = tt.set })
		client := w.client
		if tt.external {
			client = w.external()
		}
		l, err := client.Log("erp", nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Start().ConfirmDelay; got != tt.want {
			t.Errorf("external %t, set %v: got %s, want %s", tt.external, tt.set, got, tt.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if server, err := client.Server(t.Context()); err != nil || server.ConfirmDelay != tt.want || server.Embedded == tt.external ||
			server.APILevel < 2 || server.Version == "" {
			t.Errorf("got %+v, %v", server, err)
		}
	}
}

func TestLogRefusesStrangeSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, source := range []string{"", "ERP", "a.b", "1a", strings.Repeat("a", 33)} {
		if _, err := w.client.Log(source, nil); err == nil {
			t.Errorf("took source %q", source)
		}
	}
}
