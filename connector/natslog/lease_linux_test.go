package natslog_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector/natslog"
)

// TestKilledHolderIsSucceededAtOnce: its lease would last for a minute.
func TestKilledHolderIsSucceededAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := startChild(t, "lasting", w.cfg.Embedded.Dir)
	p.expect("held")
	p.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.lease("relay", time.Minute).Hold(ctx, func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestZombieHolderIsSucceededAtOnce: a daemon that was killed stays in the
// process table until its parent asks for it.
func TestZombieHolderIsSucceededAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := startChild(t, "lasting", w.cfg.Embedded.Dir)
	p.expect("held")
	p.signal(syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.lease("relay", time.Minute).Hold(ctx, func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestWhoseLeaseMayBeTaken has leases of processes of all kinds, which would last
// for a minute.
func TestWhoseLeaseMayBeTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var kv jetstream.KeyValue
	var own map[string]any // the record of this very process
	err := w.lease("own", time.Minute).Hold(t.Context(), func(ctx context.Context) (err error) {
		if kv, err = w.admin(natslog.RoleDaemon).KeyValue(ctx, "INVENTORY_STATE"); err != nil {
			return err
		}
		e, err := kv.Get(ctx, "lease.own")
		if err != nil {
			return err
		}
		return json.Unmarshal(e.Value(), &own)
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	gone := ended.Process.Pid
	for name, c := range map[string]struct {
		change map[string]any
		taken  bool
	}{
		"alive":             {map[string]any{}, false},
		"another-user":      {map[string]any{"pid": 1}, true}, // init exists, and did not start with this process
		"gone":              {map[string]any{"pid": gone}, true},
		"id-given-again":    {map[string]any{"started": "1"}, true},
		"other-machine":     {map[string]any{"pid": gone, "machine": "another boot"}, false},
		"other-host":        {map[string]any{"pid": gone, "host": "another"}, false},
		"of-no-machine":     {map[string]any{"pid": gone, "machine": ""}, false},
		"of-an-old-version": {map[string]any{"pid": gone, "started": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := maps.Clone(own)
			maps.Copy(record, c.change)
			record["holder"] = "0123456789abcdef"
			text, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := kv.Put(t.Context(), "lease."+name, text); err != nil {
				t.Fatal(err)
			}
			limit := 20 * time.Second
			if !c.taken {
				limit = 1500 * time.Millisecond // it looks once a second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err = w.lease(name, time.Minute).Hold(ctx, func(context.Context) error { return nil })
			if taken := !errors.Is(err, context.DeadlineExceeded); taken != c.taken || c.taken && err != nil {
				t.Errorf("taken: %v (%v), want %v", taken, err, c.taken)
			}
		})
	}
}
