package natslog_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
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
