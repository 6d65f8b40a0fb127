package natslog_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

func TestRunOnEmptyLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := uint64(time.Now().UnixMilli())
	a := w.begin("erp")
	s := a.run.Start()
	if s.Run < before || s.LogID == "" || !s.Tail.IsZero() || s.Resume != "" || s.ConfirmDelay != 0 {
		t.Errorf("got %+v", s)
	}
	if err := a.run.Check(t.Context()); err != nil {
		t.Errorf("check of an empty log: %v", err)
	}
	a.fill(3, 0)
	if err := a.run.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestNextRunGoesOnFromTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(5, 1000)
	if err := a.run.Close(); err != nil {
		t.Fatal(err)
	}
	b := w.begin("erp")
	got, first := b.run.Start(), a.run.Start()
	if got.Run <= first.Run {
		t.Errorf("run %d does not follow run %d", got.Run, first.Run)
	}
	want := connector.RunStart{
		Run: got.Run, LogID: first.LogID, Tail: inventory.Position{Run: first.Run, Number: 4},
		Resume: resumeOf(first.Run, 4),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.fill(2, 0)
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	positions := read(t, r, 7)
	for i, p := range positions {
		want := inventory.Position{Run: first.Run, Number: uint64(i)}
		if i >= 5 {
			want = inventory.Position{Run: got.Run, Number: uint64(i - 5)}
		}
		if p != want {
			t.Errorf("message %d is at %s, want %s", i, p, want)
		}
	}
}

func TestSecondWriterFailsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(3, 0)
	b := w.begin("erp")
	b.fill(1, 0)
	k, err := a.send("x", 0)
	if err == nil {
		err = k.Wait(t.Context())
	}
	isErr(t, err, connector.ErrLogChanged)
	if _, err := a.send("y", 0); !errors.Is(err, connector.ErrLogChanged) {
		t.Errorf("after a failed append: got %v, want ErrLogChanged", err)
	}
	if err := a.run.Check(t.Context()); !errors.Is(err, connector.ErrLogChanged) {
		t.Errorf("check of a fenced run: got %v", err)
	}
	b.fill(1, 0)
	if err := b.run.Check(t.Context()); err != nil {
		t.Errorf("check of the newer run: %v", err)
	}
}

// TestLostTail restores an older copy of the store under a run, as a power cut
// of a server that syncs lazily does.
func TestLostTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(10, 500)
	w.stop()
	saved := w.save()
	w.start()
	b := w.begin("erp")
	b.fill(5, 500)
	if err := b.run.Checkpoint(t.Context(), b.previous, "beyond"); err != nil {
		t.Fatal(err)
	}
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	read(t, r, 15)
	w.stop()
	w.restore(saved)
	w.start()

	if err := b.run.Check(t.Context()); err == nil {
		t.Error("the old run's check passes on a restored server")
	}
	k, err := b.send("x", 0)
	if err == nil {
		err = k.Wait(t.Context())
	}
	if err == nil {
		t.Error("the old run appends to a restored server")
	}
	if messages, err := r.Next(t.Context(), 1<<20, 10*time.Second); err == nil {
		t.Errorf("the old reader reads %d messages from a restored server", len(messages))
	}
	c := w.begin("erp")
	s := c.run.Start()
	if want := (inventory.Position{Run: a.run.Start().Run, Number: 9}); s.Tail != want || s.Resume != resumeOf(want.Run, 9) {
		t.Errorf("the next run begins at %s with %q, want %s", s.Tail, s.Resume, want)
	}
	if s.Run <= b.run.Start().Run {
		t.Errorf("run %d does not exceed the lost run %d", s.Run, b.run.Start().Run)
	}
	c.fill(20, 300)

	// A store that had read the lost messages: its sequence now holds another one.
	young := w.reader("erp")
	lost := inventory.Position{Run: b.run.Start().Run, Number: 4}
	if err := young.Seek(t.Context(), lost, 15); err != nil {
		t.Fatal(err)
	}
	if got := read(t, young, 20); got[0] != (inventory.Position{Run: s.Run}) {
		t.Errorf("after the lost tail the reader goes on at %s, want the new run's first", got[0])
	}
}

func TestCheckSeesPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(3, 0)
	if err := w.stream("INVENTORY_LOG_ERP").Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	isErr(t, a.run.Check(t.Context()), connector.ErrLogChanged)
	if _, err := a.send("x", 0); !errors.Is(err, connector.ErrLogChanged) {
		t.Errorf("append after a failed check: got %v", err)
	}
}

// TestEmptiedLogIsLost removes the newest message, which is the checkpoint.
func TestEmptiedLogIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin("erp").fill(3, 0)
	if err := w.stream("INVENTORY_LOG_ERP").Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLost(t, w, "was emptied after message 3")
	if again := w.begin("erp").run.Start(); again.Lost == "" {
		t.Errorf("a run that begins before anything was appended finds nothing lost: %+v", again)
	}
}

func TestRecreatedStreamIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(3, 0)
	r := w.reader("erp")
	if err := r.Seek(t.Context(), a.previous, 3); err != nil {
		t.Fatal(err)
	}
	stream := w.stream("INVENTORY_LOG_ERP")
	cfg := stream.CachedInfo().Config
	js := w.admin(natslog.RoleDaemon)
	if err := js.DeleteStream(t.Context(), cfg.Name); err != nil {
		t.Fatal(err)
	}
	if messages, err := r.Next(t.Context(), 1<<20, 10*time.Second); err == nil {
		t.Errorf("a reader of a deleted stream returns %d messages", len(messages))
	}
	wantLost(t, w, a.run.Start().LogID)

	// Begin made the stream anew. The old run must not reach it.
	k, err := a.send("x", 0)
	if err == nil {
		err = k.Wait(t.Context())
	}
	isErr(t, err, connector.ErrLogChanged)
	tail, err := w.reader("erp").Tail(t.Context())
	if err != nil || !tail.Empty || tail.ID == a.run.Start().LogID {
		t.Errorf("got %+v, %v", tail, err)
	}
}

// wantLost fails the test unless a new run finds the log's end lost, and no token.
func wantLost(t *testing.T, w *world, text string) {
	t.Helper()
	start := w.begin("erp").run.Start()
	if !strings.Contains(start.Lost, text) || start.Resume != "" {
		t.Fatalf("got lost %q and token %q, want %q and none", start.Lost, start.Resume, text)
	}
}

func TestTokenCountsOnlyAtTail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after func(a *appended) // what happens after the checkpoint
		want  func(a *appended) cdc.Resume
	}{
		"nothing appended": {func(*appended) {}, func(*appended) cdc.Resume { return "kept 5% \n" }},
		"appended":         {func(a *appended) { a.fill(1, 0) }, func(a *appended) cdc.Resume { return resumeOf(a.next.Run, 3) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.begin("erp")
			a.fill(3, 0)
			if err := a.run.Checkpoint(t.Context(), a.previous, "kept 5% \n"); err != nil {
				t.Fatal(err)
			}
			tt.after(a)
			b := w.begin("erp")
			if got, want := b.run.Start().Resume, tt.want(a); got != want {
				t.Errorf("got token %q, want %q", got, want)
			}
			// The token is still beside the tail for the run after.
			if got, want := w.begin("erp").run.Start().Resume, tt.want(a); got != want {
				t.Errorf("a run later: got token %q, want %q", got, want)
			}
		})
	}
}

// TestTokenAfterLostTail: the state is newer than the log.
func TestTokenAfterLostTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(3, 0)
	w.stop()
	saved := w.save()
	w.start()
	b := w.begin("erp")
	b.fill(2, 0)
	if err := b.run.Checkpoint(t.Context(), b.previous, "beyond"); err != nil {
		t.Fatal(err)
	}
	w.stop()
	streams := filepath.Join("jetstream", "$G", "streams", "INVENTORY_LOG_ERP")
	w.restoreStream(saved, streams)
	w.start()
	c := w.begin("erp").run.Start()
	if want := resumeOf(a.next.Run, 2); c.Resume != want {
		t.Errorf("got token %q, want the tail's own %q", c.Resume, want)
	}
	if c.Run <= b.next.Run {
		t.Errorf("run %d does not exceed run %d, which only the state knows", c.Run, b.next.Run)
	}
}

// TestTokenBesideLostMessages: what was appended behind the token's message is
// lost, after a run began on it. The token may have been confirmed to the source
// by then, so a run that could not use it must have left it there.
func TestTokenBesideLostMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(3, 0)
	if err := a.run.Checkpoint(t.Context(), a.previous, "confirmed"); err != nil {
		t.Fatal(err)
	}
	w.stop()
	saved := w.save()
	w.start()
	w.begin("erp").fill(1, 0)
	w.begin("erp") // on a tail that will be lost
	w.stop()
	w.restoreStream(saved, filepath.Join("jetstream", "$G", "streams", "INVENTORY_LOG_ERP"))
	w.start()
	if got := w.begin("erp").run.Start().Resume; got != "confirmed" {
		t.Errorf("got token %q, want the one that was kept beside the tail", got)
	}
}

func TestCheckpointOfOlderRunFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(1, 0)
	w.begin("erp")
	isErr(t, a.run.Checkpoint(t.Context(), a.previous, "x"), connector.ErrLeaseLost)
}

// TestCheckpointWhoseAnswerWasLost: the state has what this run wrote, under a
// revision that the run does not know.
func TestCheckpointWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(1, 0)
	js := w.admin(natslog.RoleDaemon)
	kv, err := js.KeyValue(t.Context(), "INVENTORY_STATE")
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), "run.erp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "run.erp", e.Value()); err != nil {
		t.Fatal(err)
	}
	if err := a.run.Checkpoint(t.Context(), a.previous, "x"); err != nil {
		t.Fatal(err)
	}
	if got := w.begin("erp").run.Start().Resume; got != "x" {
		t.Errorf("got token %q", got)
	}
	if err := kv.Purge(t.Context(), "run.erp"); err != nil {
		t.Fatal(err)
	}
	b := w.begin("erp")
	if err := kv.Purge(t.Context(), "run.erp"); err != nil {
		t.Fatal(err)
	}
	isErr(t, b.run.Checkpoint(t.Context(), b.previous, "y"), connector.ErrLogChanged)
}

func TestBeginUnderLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease, err := w.client.Lease("capture/erp", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.client.Log("erp", lease)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Begin(t.Context())
	isErr(t, err, connector.ErrLeaseLost)
	err = lease.Hold(t.Context(), func(ctx context.Context) error {
		r, err := l.Begin(ctx)
		if err == nil {
			err = r.Close()
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestForeignMessageInLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(2, 0)
	js := w.admin(natslog.RoleDaemon)
	r := w.reader("erp")
	if err := r.Seek(t.Context(), a.previous, 2); err != nil {
		t.Fatal(err)
	}
	subject := w.stream("INVENTORY_LOG_ERP").CachedInfo().Config.Subjects[0]
	if _, err := js.Publish(t.Context(), subject, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	isErr(t, a.run.Check(t.Context()), connector.ErrLogChanged)
	for what, err := range map[string]error{
		"begin": func() error { _, err := w.log("erp").Begin(t.Context()); return err }(),
		"read":  func() error { _, err := r.Next(t.Context(), 1, 10*time.Second); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "message 3 of stream INVENTORY_LOG_ERP: not a message of a tailstock log") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestAppendOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(1, 0)
	a.next.Number++
	if _, err := a.send("x", 0); err == nil || !strings.Contains(err.Error(), "not the next message") {
		t.Errorf("got %v", err)
	}
	a.next.Number--
	if _, err := a.send("x", 0); err == nil {
		t.Error("the run lives on")
	}
}

func TestOtherSettingsAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(cfg *jetstream.StreamConfig)
		want string
	}{
		"age":      {func(cfg *jetstream.StreamConfig) { cfg.MaxAge = time.Hour }, "max_age is 1h0m0s"},
		"discard":  {func(cfg *jetstream.StreamConfig) { cfg.Discard = jetstream.DiscardOld }, "discard is"},
		"subjects": {func(cfg *jetstream.StreamConfig) { cfg.Subjects = append(cfg.Subjects, "other") }, "subjects are"},
		"bytes":    {func(cfg *jetstream.StreamConfig) { cfg.MaxBytes = 1 << 20 }, "nats stream edit INVENTORY_LOG_ERP --replicas 1 --max-bytes 67108864"},
		"identity": {func(cfg *jetstream.StreamConfig) { cfg.Metadata = nil }, "not made by tailstock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.begin("erp").fill(1, 0)
			cfg := w.stream("INVENTORY_LOG_ERP").CachedInfo().Config
			tt.edit(&cfg)
			if _, err := w.admin(natslog.RoleDaemon).UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			_, err := w.log("erp").Begin(t.Context())
			var settings *natslog.StreamSettingsError
			if !errors.As(err, &settings) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if got := w.stream("INVENTORY_LOG_ERP").CachedInfo().Config; got.MaxAge != cfg.MaxAge || got.MaxBytes != cfg.MaxBytes {
				t.Error("the stream was altered")
			}
		})
	}
}

func TestFullLogFailsAndRecovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *natslog.Config) { c.MaxBytes = 1 << 20 })
	a := w.begin("erp")
	var err error
	for range 100 {
		var k connector.Ack
		if k, err = a.send("x", 30_000); err == nil {
			err = k.Wait(t.Context())
		}
		if err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "takes no more") {
		t.Fatalf("got %v", err)
	}
	last := inventory.Position{Run: a.next.Run, Number: a.next.Number - 2}
	if _, err := w.log("erp").Begin(t.Context()); err != nil {
		t.Fatalf("a full log can be opened: %v", err)
	}
	p := w.client.Reporter(nil)
	if err := p.Report(t.Context(), w.report(a, last)); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := w.begin("erp") // makes room, though everything is younger than any window
	b.fill(5, 30_000)
	usage, err := b.run.Purge(t.Context(), time.Hour, inventory.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if usage.Bytes*100 > usage.MaxBytes*80 || usage.Unapplied != 5 {
		t.Errorf("got %+v", usage)
	}
}

func TestKeepMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	for range 2 {
		if err := a.run.KeepMapping(t.Context(), "9f2c51d07a3b8e64", []byte("text")); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.run.KeepMapping(t.Context(), "9f2c51d07a3b8e64", []byte("other")); err == nil {
		t.Error("two texts under one id")
	}
}

// TestKilledServer kills the process of the server in the middle of appending,
// many times: what was acknowledged is there, what is there is what was sent, and
// the next run goes on right behind it.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	cfg := natslog.Config{Embedded: &natslog.EmbeddedConfig{Dir: t.TempDir()}, MaxBytes: 64 << 20}
	var acked, tail inventory.Position
	for round := range 8 {
		server := startChild(t, "server", cfg.Embedded.Dir)
		server.expect("ready")
		client, err := natslog.Connect(t.Context(), cfg, natslog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, cfg: cfg, client: client}
		a := w.begin("erp")
		if tail = a.run.Start().Tail; tail.Before(acked) {
			t.Fatalf("round %d: message %s was acknowledged, and the tail is %s", round, acked, tail)
		}
		a.untilKilled(round, server, &acked)
		_ = a.run.Close()
		_ = client.Close()
	}
	server := startChild(t, "server", cfg.Embedded.Dir)
	server.expect("ready")
	client, err := natslog.Connect(t.Context(), cfg, natslog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := &world{t: t, cfg: cfg, client: client}
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	end, err := r.Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if end.Position.Before(acked) {
		t.Errorf("message %s was acknowledged, and the tail is %s", acked, end.Position)
	}
	var previous inventory.Position
	for previous != end.Position {
		messages, err := r.Next(t.Context(), 1<<20, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if m.Previous != previous {
				t.Fatalf("message %s follows %s, and comes after %s", m.Position, m.Previous, previous)
			}
			previous = m.Position
		}
	}
	server.kill()
}

// untilKilled appends, kills the server after some acks, and goes on until the run fails.
func (a *appended) untilKilled(round int, server *childProcess, acked *inventory.Position) {
	a.t.Helper()
	for i := 0; ; i++ {
		k, err := a.send(resumeOf(a.next.Run, a.next.Number), 2000)
		if err != nil {
			return
		}
		sent := a.previous
		if i%5 == 4 { // mostly pipelined
			if k.Wait(a.t.Context()) != nil {
				return
			}
			*acked = sent
		}
		if i == 20+13*round {
			server.kill()
		}
		if i > 100_000 {
			a.t.Fatal("the run outlives its server")
		}
	}
}
