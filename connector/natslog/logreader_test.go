package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

func TestNoLogYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.client.OpenLog("erp")(t.Context())
	isErr(t, err, connector.ErrNoLog)
}

// runsOf appends three runs of different lengths and returns all positions.
func runsOf(t *testing.T, w *world) []inventory.Position {
	t.Helper()
	var all []inventory.Position
	for _, n := range []int{7, 1, 12} {
		a := w.begin("erp")
		a.fill(n, 100)
		for i := range n {
			all = append(all, inventory.Position{Run: a.next.Run, Number: uint64(i)})
		}
	}
	return all
}

func TestSeek(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := runsOf(t, w)
	purged := 3
	if err := w.stream("INVENTORY_LOG_ERP").Purge(t.Context(), jetstream.WithPurgeSequence(uint64(purged+1))); err != nil {
		t.Fatal(err)
	}
	end := all[len(all)-1]
	for i, p := range append([]inventory.Position{{}, {Run: all[7].Run - 1}, {Run: all[8].Run, Number: 99}}, all[:len(all)-1]...) {
		want := 0
		for want < len(all) && (want < purged || all[want].Compare(p) <= 0) {
			want++
		}
		// Right, wrong, purged, and beyond: a hint never decides.
		for _, hint := range []uint64{0, uint64(max(i-2, 0)), 1, 5, 999} {
			r := w.reader("erp")
			if err := r.Seek(t.Context(), p, hint); err != nil {
				t.Fatal(err)
			}
			if want == len(all) {
				if got, err := r.Next(t.Context(), 1, 20*time.Millisecond); err != nil || len(got) != 0 {
					t.Errorf("after %s: got %d messages, %v, want none", p, len(got), err)
				}
				continue
			}
			if diff := cmp.Diff(all[want:], read(t, r, len(all)-want)); diff != "" {
				t.Errorf("after %s with hint %d (-want +got):\n%s", p, hint, diff)
			}
		}
	}
	r := w.reader("erp")
	tail, err := r.Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := connector.LogTail{ID: tail.ID, First: 4, Last: 20, Position: end, OldestPrevious: all[2]}
	if diff := cmp.Diff(want, tail); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
}

func TestReaderAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := runsOf(t, w)
	r := w.reader("erp")
	if _, err := r.Next(t.Context(), 1, 0); err == nil {
		t.Error("read before Seek")
	}
	for _, from := range []int{5, 0, 13} {
		if err := r.Seek(t.Context(), all[from], 0); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all[from+1:], read(t, r, len(all)-from-1)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestMessageAsAppended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	feeds := []inventory.FeedName{{Table: "public.stock", Mapping: "9f2c51d07a3b8e64"}}
	body := inventory.AppendFeeds(nil, "erp", feeds)
	_, err := a.run.Append(t.Context(), inventory.Envelope{Position: a.next, Resume: " a\nb% é", Body: body})
	if err != nil {
		t.Fatal(err)
	}
	clear(body) // the body may be reused
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	got, err := r.Next(t.Context(), 1, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := []connector.LogMessage{{
		Message:  inventory.Message{Source: "erp", Position: a.next, Resume: " a\nb% é", Feeds: feeds},
		Sequence: 1, Size: len(body),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWaitingReaderIsServedAtOnce measures how long a message takes to a reader
// that waits for it: far less than any poll would.
func TestWaitingReaderIsServedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(1, 0)
	r := w.reader("erp")
	if err := r.Seek(t.Context(), a.previous, 1); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Next(t.Context(), 1, 0); err != nil || len(got) > 0 {
		t.Fatalf("got %d messages, %v, want none", len(got), err)
	}
	best := time.Hour
	for range 20 {
		got := make(chan error, 1)
		go func() {
			m, err := r.Next(t.Context(), 1, 10*time.Second)
			if err == nil && len(m) != 1 {
				err = fmt.Errorf("%d messages", len(m))
			}
			got <- err
		}()
		began := time.Now()
		if _, err := a.send("x", 500); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(began))
	}
	if best > 50*time.Millisecond {
		t.Errorf("the fastest of 20 messages took %s", best)
	}
}

func TestNextLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin("erp").fill(300, 1000) // several pulls
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 300; {
		got, err := r.Next(t.Context(), 5000, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || len(got) > 6 {
			t.Fatalf("got %d messages of 1,000 bytes, limit 5,000", len(got))
		}
		n += len(got)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	_, err := r.Next(ctx, 1, time.Minute)
	isErr(t, err, stop)
}

// TestPurgeOvertakesReader: a store that is not registered reads slowly, and the
// log goes on without what it has not read. The server would step over it in
// silence.
func TestPurgeOvertakesReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(500, 2000)
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Next(t.Context(), 1, 10*time.Second); err != nil || len(got) != 1 {
		t.Fatalf("got %d messages, %v", len(got), err)
	}
	if err := w.stream("INVENTORY_LOG_ERP").Purge(t.Context(), jetstream.WithPurgeSequence(490)); err != nil {
		t.Fatal(err)
	}
	last := uint64(1)
	for {
		got, err := r.Next(t.Context(), 1<<20, 10*time.Second)
		if errors.Is(err, connector.ErrLogChanged) {
			return
		}
		if err != nil || len(got) == 0 {
			t.Fatalf("got %d messages, %v", len(got), err)
		}
		for _, m := range got {
			if m.Sequence != last+1 {
				t.Fatalf("message %d came after message %d", m.Sequence, last)
			}
			last = m.Sequence
		}
	}
}

func TestUndecodableMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	k, err := a.run.Append(t.Context(), inventory.Envelope{Position: a.next, Body: []byte(`{"source":"erp"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	_, err = r.Next(t.Context(), 1, 10*time.Second)
	if err == nil || !strings.Contains(err.Error(), "message 1 of stream INVENTORY_LOG_ERP: ") {
		t.Errorf("got %v", err)
	}
}

// TestReaderSeesRegression: positions that do not grow are not what a capture appends.
func TestReaderSeesRegression(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(3, 0)
	s := w.stream("INVENTORY_LOG_ERP")
	m, err := s.GetMsg(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	read(t, r, 3)
	m.Header.Del("Nats-Expected-Last-Sequence")
	if _, err := w.admin(natslog.RoleDaemon).PublishMsg(t.Context(), msgOf(m)); err != nil {
		t.Fatal(err)
	}
	_, err = r.Next(t.Context(), 1, 10*time.Second)
	isErr(t, err, connector.ErrLogChanged)
}

func TestReaderEndsWithItsConsumer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin("erp").fill(1, 0)
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	read(t, r, 1)
	s := w.stream("INVENTORY_LOG_ERP")
	names := s.ConsumerNames(t.Context())
	n := 0
	for name := range names.Name() {
		n++
		if err := s.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if n != 1 {
		t.Errorf("one reader has %d consumers", n)
	}
	if got, err := r.Next(t.Context(), 1, 10*time.Second); err == nil {
		t.Errorf("got %d messages without a consumer", len(got))
	}
}

func TestClosedReaderLeavesNoConsumer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.begin("erp").fill(1, 0)
	r := w.reader("erp")
	for range 3 {
		if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
			t.Fatal(err)
		}
		read(t, r, 1)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s := w.stream("INVENTORY_LOG_ERP")
	eventually(t, "the consumers are gone", func() bool {
		info, err := s.Info(t.Context())
		return err == nil && info.State.Consumers == 0
	})
}
