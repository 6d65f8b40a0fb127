package natslog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

func TestEmbeddedKeysAreForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"daemon.nk", "operator.nk", "reader.nk", "address", "lock"} {
		info, err := os.Stat(filepath.Join(w.cfg.Embedded.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, mode)
		}
	}
	if nc, err := nats.Connect(w.server.URL()); err == nil {
		nc.Close()
		t.Error("connected without credentials")
	}
}

func TestEmbeddedRefusesSecondServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second, err := natslog.StartEmbedded(t.Context(), w.cfg, nil)
	if err == nil {
		_ = second.Close()
		t.Fatal("two servers in one directory")
	}
	if !strings.Contains(err.Error(), "another process runs the server") || !strings.Contains(err.Error(), w.cfg.Embedded.Dir) {
		t.Errorf("got %v", err)
	}
	if _, err := w.client.Installation(t.Context()); err != nil {
		t.Errorf("the first server suffered: %v", err)
	}
}

func TestEmbeddedIsFoundByItsDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want, err := w.client.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time after a restart, on another port
		c, err := natslog.Connect(t.Context(), w.cfg, natslog.Options{Role: natslog.RoleOperator})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Installation(t.Context()); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		w.stop()
		if _, err := natslog.Connect(t.Context(), w.cfg, natslog.Options{}); err == nil || !strings.Contains(err.Error(), "no daemon runs") {
			t.Errorf("after the server ended: got %v", err)
		}
		w.start()
	}
}

func TestEmbeddedBrokenKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "reader.nk"), []byte("SUAM"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := natslog.StartEmbedded(t.Context(), natslog.Config{Embedded: &natslog.EmbeddedConfig{Dir: dir}}, nil)
	if err == nil || !strings.Contains(err.Error(), "reader.nk") || strings.Contains(err.Error(), "SUAM") {
		t.Errorf("got %v", err)
	}
}

// TestReaderMayOnlyRead tries what the reader's key must not do.
func TestReaderMayOnlyRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin("erp").fill(1, 0)
	publishLevels(t, w, 100, cellOf("a", "1"), cellOf("a", "2"))
	js := w.admin(natslog.RoleReader)
	for _, subject := range []string{
		"inventory.level.a.1", "$KV.INVENTORY_STATE.installation", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.DELETE.INVENTORY_LEVELS",
		"$JS.API.STREAM.INFO.INVENTORY_LOG_ERP", "$JS.API.CONSUMER.CREATE.INVENTORY_LEVELS.x", "$JS.API.STREAM.MSG.GET.INVENTORY_LOG_ERP",
	} {
		if refused(t, js.Conn(), subject) == nil {
			t.Errorf("the reader may publish on %s", subject)
		}
	}
	ctx, cancel := background(t)
	defer cancel()
	conn := readerConn(t, w)
	reply, err := conn.RequestWithContext(ctx, "$JS.API.DIRECT.GET.INVENTORY_LEVELS.inventory.level.a.2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := inventory.DecodeLevel(reply.Data); err != nil || l.SKU != "2" {
		t.Errorf("got %v, %v", l, err)
	}
	sub, err := conn.SubscribeSync("inventory.level.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	publishLevels(t, w, 200, cellOf("a", "1"))
	if m, err := sub.NextMsg(10 * time.Second); err != nil || m.Subject != "inventory.level.a.1" {
		t.Errorf("got %v, %v", m, err)
	}
}

// readerConn connects as a reader does.
func readerConn(t *testing.T, w *world) *nats.Conn {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(filepath.Join(w.cfg.Embedded.Dir, "reader.nk"))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(w.server.URL(), key, nats.CustomInboxPrefix("_INBOX_READER"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// refused publishes on subject and returns the server's complaint.
func refused(t *testing.T, nc *nats.Conn, subject string) error {
	t.Helper()
	complaints := make(chan error, 10)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { complaints <- err })
	if err := nc.Publish(subject, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-complaints:
		return err
	case <-time.After(100 * time.Millisecond): // the complaint comes before the answer to the flush
		return nil
	}
}

func TestOperatorMayNotWriteLogsAndLevels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin("erp").fill(1, 0)
	js := w.admin(natslog.RoleOperator)
	s, err := js.Stream(t.Context(), "INVENTORY_LOG_ERP")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{s.CachedInfo().Config.Subjects[0], "inventory.level.a.1"} {
		if refused(t, js.Conn(), subject) == nil {
			t.Errorf("the operator may publish on %s", subject)
		}
	}
	if info, err := s.Info(t.Context()); err != nil || info.State.Msgs != 1 {
		t.Errorf("got %d messages, %v", info.State.Msgs, err)
	}
}

func TestNamespacesDoNotMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *natslog.Config) { c.Namespace = "prod" })
	w.begin("erp").fill(2, 0)
	publishLevels(t, w, 100, cellOf("a", "1"))
	cfg := w.cfg
	cfg.Namespace = "staging"
	other, err := natslog.Connect(t.Context(), cfg, natslog.Options{Embedded: w.server})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l, err := other.Log("erp", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if s := r.Start(); !s.Tail.IsZero() {
		t.Errorf("staging begins at production's tail %s", s.Tail)
	}
	mine, err := w.client.Installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err := other.Installation(t.Context()); err != nil || theirs == mine {
		t.Errorf("got %s, %v for both namespaces", theirs, err)
	}
	var names []string
	lister := w.admin(natslog.RoleDaemon).StreamNames(t.Context())
	for name := range lister.Name() {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(name, "PROD_INVENTORY_") && !strings.Contains(name, "STAGING_INVENTORY_") {
			t.Errorf("stream %s has no namespace", name)
		}
	}
	if len(names) != 7 { // log, rejects and state of both, levels of one
		t.Errorf("streams %q", names)
	}
	var _ jetstream.JetStream
}
