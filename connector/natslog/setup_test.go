package natslog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

// world is an embedded server, which can be stopped, restored and started, and a
// client of it.
type world struct {
	t      *testing.T
	cfg    natslog.Config
	server *natslog.Embedded
	client *natslog.Client
}

func newWorld(t *testing.T, edit ...func(*natslog.Config)) *world {
	t.Helper()
	w := &world{t: t, cfg: natslog.Config{
		Embedded: &natslog.EmbeddedConfig{Dir: filepath.Join(t.TempDir(), "nats")}, MaxBytes: 64 << 20,
	}}
	for _, e := range edit {
		e(&w.cfg)
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.server, err = natslog.StartEmbedded(w.t.Context(), w.cfg, testLogger(w.t)); err != nil {
		w.t.Fatal(err)
	}
	if w.client, err = natslog.Connect(w.t.Context(), w.cfg, natslog.Options{Embedded: w.server}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	if w.server == nil {
		return
	}
	if err := errors.Join(w.client.Close(), w.server.Close()); err != nil {
		w.t.Error(err)
	}
	w.server = nil
}

// testLogger shows only what a server complains about, and only when asked for.
func testLogger(t *testing.T) *slog.Logger {
	t.Helper()
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// saved copies the server's store; restore puts the copy back. The server must be stopped.
func (w *world) save() string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "saved")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(w.cfg.Embedded.Dir, "store"))); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func (w *world) restore(saved string) {
	w.t.Helper()
	store := filepath.Join(w.cfg.Embedded.Dir, "store")
	if err := errors.Join(os.RemoveAll(store), os.CopyFS(store, os.DirFS(saved))); err != nil {
		w.t.Fatal(err)
	}
}

// admin is a plain connection with the daemon's key, to do what an operator or an attacker would.
func (w *world) admin(role natslog.Role) jetstream.JetStream {
	w.t.Helper()
	key, err := nats.NkeyOptionFromSeed(filepath.Join(w.cfg.Embedded.Dir, string(role)+".nk"))
	if err != nil {
		w.t.Fatal(err)
	}
	nc, err := nats.Connect(w.server.URL(), key, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	return js
}

func (w *world) log(source string) *natslog.Log {
	w.t.Helper()
	l, err := w.client.Log(source, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// appended is a run under way, with what the appender of a capture keeps.
type appended struct {
	t        *testing.T
	run      connector.Run
	next     inventory.Position
	previous inventory.Position
}

func (w *world) begin(source string) *appended {
	w.t.Helper()
	r, err := w.log(source).Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return &appended{t: w.t, run: r, next: inventory.Position{Run: r.Start().Run}, previous: r.Start().Tail}
}

// send appends one message that is worth token.
func (a *appended) send(token cdc.Resume, size int) (connector.Ack, error) {
	body := commitBody(fmt.Sprint(a.next.Number), size)
	k, err := a.run.Append(a.t.Context(), inventory.Envelope{Position: a.next, Previous: a.previous, Resume: token, Body: body})
	if err == nil {
		a.previous = a.next
		a.next.Number++
	}
	return k, err
}

// fill appends n messages and waits for them.
func (a *appended) fill(n, size int) {
	a.t.Helper()
	var last connector.Ack
	for range n {
		k, err := a.send(cdc.Resume(fmt.Sprintf("token %d.%d", a.next.Run, a.next.Number)), size)
		if err != nil {
			a.t.Fatal(err)
		}
		last = k
	}
	if err := last.Wait(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// commitBody is the body of one commit without events, padded to about size bytes.
func commitBody(id string, size int) []byte {
	w := inventory.NewBodyWriter("erp")
	pad := bytes.Repeat([]byte{'x'}, max(0, size-200))
	w.StartCommit(id, time.Unix(1764000000, 0), string(pad))
	w.EndCommit(0, true)
	return w.Bytes()
}

func (w *world) reader(source string) connector.LogReader {
	w.t.Helper()
	r, err := w.client.OpenLog(source)(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// read returns the positions of the next n messages.
func read(t *testing.T, r connector.LogReader, n int) []inventory.Position {
	t.Helper()
	var out []inventory.Position
	for deadline := time.Now().Add(10 * time.Second); len(out) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("read %d of %d messages", len(out), n)
		}
		messages, err := r.Next(t.Context(), 1<<20, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			out = append(out, messages[i].Position)
		}
	}
	return out
}

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not after 20 s: %s", what)
		}
	}
}

func isErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func background(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), 20*time.Second)
}

func resumeOf(run, number uint64) cdc.Resume {
	return cdc.Resume(fmt.Sprintf("token %d.%d", run, number))
}

// restoreStream puts back the copy of one stream alone.
func (w *world) restoreStream(saved, stream string) {
	w.t.Helper()
	to := filepath.Join(w.cfg.Embedded.Dir, "store", stream)
	if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(filepath.Join(saved, stream)))); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stream(name string) jetstream.Stream {
	w.t.Helper()
	s, err := w.admin(natslog.RoleDaemon).Stream(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// report is what store "s1" says when it has applied up to p.
func (w *world) report(a *appended, p inventory.Position) connector.StoreReport {
	return connector.StoreReport{Store: "s1", Source: "erp", LogID: a.run.Start().LogID, Position: p}
}

// msgOf is a stored message, to be sent again.
func msgOf(m *jetstream.RawStreamMsg) *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
}

// freeAddress is an address where a server can listen, again and again.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// external connects to the world's server as to one that somebody else runs.
func (w *world) external() *natslog.Client {
	w.t.Helper()
	cfg := w.cfg
	cfg.Embedded, cfg.URL, cfg.NKey = nil, w.server.URL(), filepath.Join(w.cfg.Embedded.Dir, "daemon.nk")
	c, err := natslog.Connect(w.t.Context(), cfg, natslog.Options{Name: "external"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}
