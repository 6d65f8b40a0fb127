package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

func cellOf(location, sku string) inventory.Cell {
	return inventory.Cell{SKU: inventory.SKU(sku), Location: inventory.LocationID(location)}
}

func levelOf(c inventory.Cell, onHand int64) *inventory.Level {
	l := &inventory.Level{Cell: c, UpdatedAt: time.Unix(1764000000, 0)}
	l.Quantities[inventory.OnHand] = inventory.Quantity(onHand) * inventory.One
	return l
}

func openWriter(t *testing.T, w *world) connector.LevelsWriter {
	t.Helper()
	lw, err := w.client.Levels(nil).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lw.Close() })
	return lw
}

// publish publishes cells and waits for the last.
func publish(t *testing.T, lw connector.LevelsWriter, cells ...inventory.Cell) uint64 {
	t.Helper()
	var last uint64
	var k connector.Ack
	for i, c := range cells {
		var err error
		if last, k, err = lw.Publish(t.Context(), levelOf(c, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return last
}

// publishLevels runs one session that publishes cells.
func publishLevels(t *testing.T, w *world, session uint64, cells ...inventory.Cell) connector.LevelsWriter {
	t.Helper()
	lw := openWriter(t, w)
	if err := lw.Begin(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	publish(t, lw, cells...)
	return lw
}

func openLevels(t *testing.T, w *world) connector.LevelsReader {
	t.Helper()
	r, err := w.client.OpenLevels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func readLevels(t *testing.T, r connector.LevelsReader, n int) []inventory.LevelMessage {
	t.Helper()
	var out []inventory.LevelMessage
	for deadline := time.Now().Add(10 * time.Second); len(out) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("read %d of %d levels", len(out), n)
		}
		levels, err := r.Next(t.Context(), 100, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, levels...)
	}
	return out
}

func TestLevelsSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b, c := cellOf("DC1", "a.b"), cellOf("DC1", "*>"), cellOf("Zürich", "c")
	first := publishLevels(t, w, 1000, a, b)
	if got := first.Tail(); got.Stream == "" || got.Sequence != 0 || got.Session != 0 || got.LastSession != 0 {
		t.Errorf("tail of an empty stream: %+v", got)
	}
	if err := first.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	second := openWriter(t, w)
	want := connector.LevelsTail{Stream: first.Tail().Stream, Sequence: 2, Session: 1000, First: 1, After: 0, LastSession: 1000}
	if diff := cmp.Diff(want, second.Tail()); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
	if err := second.Begin(t.Context(), 1000); err == nil {
		t.Error("a session began twice")
	}
	if err := second.Begin(t.Context(), 2000); err != nil {
		t.Fatal(err)
	}
	if last := publish(t, second, a, c); last != 4 {
		t.Errorf("the last sequence is %d, want 4", last)
	}
	r := openLevels(t, w)
	if err := r.Seek(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	type place struct {
		Cell         inventory.Cell
		Version      inventory.Version
		First, After uint64
	}
	var got []place
	for _, m := range readLevels(t, r, 3) {
		got = append(got, place{m.Cell, m.Version, m.First, m.After})
	}
	wantPlaces := []place{
		{b, inventory.Version{Session: 1000, Sequence: 2}, 1, 0},
		{a, inventory.Version{Session: 2000, Sequence: 3}, 3, 1000},
		{c, inventory.Version{Session: 2000, Sequence: 4}, 3, 1000},
	}
	if diff := cmp.Diff(wantPlaces, got); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	tail, err := r.Tail(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(connector.LevelsTail{Stream: want.Stream, Sequence: 4, Session: 2000, First: 3, After: 1000, LastSession: 2000}, tail); diff != "" {
		t.Errorf("reader's tail (-want +got):\n%s", diff)
	}
}

func TestOlderSessionFailsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := publishLevels(t, w, 1000, cellOf("a", "1"))
	young := openWriter(t, w)
	if err := young.Begin(t.Context(), 2000); err != nil {
		t.Fatal(err)
	}
	if err := old.Check(t.Context()); !errors.Is(err, connector.ErrLogChanged) {
		t.Errorf("check of an older session: got %v", err)
	}
	if _, _, err := old.Publish(t.Context(), levelOf(cellOf("a", "2"), 1)); !errors.Is(err, connector.ErrLogChanged) {
		t.Errorf("publish after a failed check: got %v", err)
	}
}

func TestLevelsZombieIsFencedBySequence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := publishLevels(t, w, 1000, cellOf("a", "1"))
	young := publishLevels(t, w, 2000, cellOf("a", "2"))
	_, k, err := old.Publish(t.Context(), levelOf(cellOf("a", "1"), 9))
	if err == nil {
		err = k.Wait(t.Context())
	}
	isErr(t, err, connector.ErrLogChanged)
	if err := young.Check(t.Context()); err != nil {
		t.Errorf("the younger session suffered: %v", err)
	}
}

func TestTwoSessionsCannotBeginAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := openWriter(t, w), openWriter(t, w)
	if err := a.Begin(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if err := b.Begin(t.Context(), 2000); !errors.Is(err, connector.ErrLogChanged) {
		t.Errorf("got %v, want ErrLogChanged", err)
	}
}

func TestCellsAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var cells []inventory.Cell
	for i := range 3000 { // more than a batch
		cells = append(cells, cellOf("DC", fmt.Sprint("sku.", i)))
	}
	publishLevels(t, w, 1000, cells...)
	publishLevels(t, w, 2000, cells[10], cells[20])
	lw := openWriter(t, w)
	for _, tt := range []struct {
		after uint64
		want  []inventory.Cell
	}{
		{0, append(slices.Concat(cells[:10], cells[11:20], cells[21:]), cells[10], cells[20])},
		{2999, []inventory.Cell{cells[2999], cells[10], cells[20]}},
		{3001, []inventory.Cell{cells[20]}},
		{3002, nil},
		{9999, nil},
	} {
		got, err := lw.CellsAfter(t.Context(), tt.after)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", tt.after, diff)
		}
	}
}

// TestLevelsLostTail restores an older copy of the store: what a power cut may
// leave of a stream that is not synced.
func TestLevelsLostTail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	publishLevels(t, w, 1000, cellOf("a", "1"), cellOf("a", "2"))
	w.stop()
	saved := w.save()
	w.start()
	lw := publishLevels(t, w, 2000, cellOf("a", "3"), cellOf("a", "4"))
	r := openLevels(t, w)
	if err := r.Seek(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.restore(saved)
	w.start()
	// The session may hear that its connection is gone only after it has written to it.
	_, k, err := lw.Publish(t.Context(), levelOf(cellOf("a", "5"), 1))
	if err == nil {
		err = k.Wait(t.Context())
	}
	if err == nil {
		t.Error("the old session publishes to a restored server")
	}
	if levels, err := r.Next(t.Context(), 10, 10*time.Second); err == nil {
		t.Errorf("the old reader reads %d levels from a restored server", len(levels))
	}
	tail := openWriter(t, w).Tail()
	if tail.Sequence != 2 || tail.Session != 1000 || tail.LastSession != 1000 {
		t.Errorf("got %+v", tail)
	}
}

func TestEmptiedLevels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	publishLevels(t, w, 1000, cellOf("a", "1"))
	s, err := w.admin(natslog.RoleDaemon).Stream(t.Context(), "INVENTORY_LEVELS")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	lw := openWriter(t, w)
	if tail := lw.Tail(); tail.Sequence != 0 || tail.Session != 0 || tail.LastSession != 1000 {
		t.Errorf("got %+v", tail)
	}
	if err := lw.Begin(t.Context(), 2000); err != nil {
		t.Fatal(err)
	}
	if last := publish(t, lw, cellOf("a", "1")); last != 2 {
		t.Errorf("the sequence went back to %d", last)
	}
}

func TestLevelsCheckSeesPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lw := publishLevels(t, w, 1000, cellOf("a", "1"))
	s, err := w.admin(natslog.RoleDaemon).Stream(t.Context(), "INVENTORY_LEVELS")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	isErr(t, lw.Check(t.Context()), connector.ErrLogChanged)
}

func TestNoLevelsYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.client.OpenLevels(t.Context())
	isErr(t, err, connector.ErrNoLog)
	isErr(t, w.client.WatchLevels(t.Context(), natslog.LevelFilter{}, nil), connector.ErrNoLog)
}

func TestWatchLevels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lw := publishLevels(t, w, 1000, cellOf("DC1", "a"), cellOf("DC2", "a"), cellOf("DC2", "b"), cellOf("DC1", "a"))
	enough := errors.New("enough")
	for name, tt := range map[string]struct {
		filter natslog.LevelFilter
		want   []inventory.Cell
	}{
		"all":      {natslog.LevelFilter{}, []inventory.Cell{cellOf("DC2", "a"), cellOf("DC2", "b"), cellOf("DC1", "a")}},
		"location": {natslog.LevelFilter{Location: "DC2"}, []inventory.Cell{cellOf("DC2", "a"), cellOf("DC2", "b")}},
		"sku":      {natslog.LevelFilter{SKU: "a"}, []inventory.Cell{cellOf("DC2", "a"), cellOf("DC1", "a")}},
	} {
		var got []inventory.Cell
		err := w.client.WatchLevels(t.Context(), tt.filter, func(m inventory.LevelMessage) error {
			if got = append(got, m.Cell); len(got) == len(tt.want) {
				return enough
			}
			return nil
		})
		isErr(t, err, enough)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan inventory.LevelMessage, 10)
	watching := make(chan error, 1)
	go func() {
		watching <- w.client.WatchLevels(ctx, natslog.LevelFilter{New: true}, func(m inventory.LevelMessage) error {
			seen <- m
			return nil
		})
	}()
	eventually(t, "a new level is seen", func() bool {
		publish(t, lw, cellOf("DC3", "c"))
		return len(seen) > 0
	})
	if m := <-seen; m.Cell != cellOf("DC3", "c") {
		t.Errorf("got %v: an old level", m.Cell)
	}
	cancel()
	isErr(t, <-watching, context.Canceled)
	var _ jetstream.JetStream
}
