package natslog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

// keep has store's report about up to p kept.
func (w *world) keep(r connector.StoreReport) {
	w.t.Helper()
	p := w.client.Reporter(nil)
	if err := p.Report(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	if err := p.Close(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	const n = 10
	at := func(a *appended, number uint64) inventory.Position {
		return inventory.Position{Run: a.next.Run, Number: number}
	}
	for name, tt := range map[string]struct {
		reports func(w *world, a *appended) []connector.StoreReport
		keep    time.Duration
		first   uint64 // sequence of the oldest message left
		left    uint64 // unapplied
	}{
		"no store": {
			func(*world, *appended) []connector.StoreReport { return nil }, 0, 1, n,
		},
		"applied, by sequence": {func(w *world, a *appended) []connector.StoreReport {
			r := w.report(a, at(a, 5))
			r.Sequence = 6
			return []connector.StoreReport{r}
		}, 0, 7, 4},
		"applied, sequence unknown": {func(w *world, a *appended) []connector.StoreReport {
			return []connector.StoreReport{w.report(a, at(a, 5))}
		}, 0, 7, 4},
		"applied, sequence of another message": {func(w *world, a *appended) []connector.StoreReport {
			r := w.report(a, at(a, 5))
			r.Sequence = 9
			return []connector.StoreReport{r}
		}, 0, 7, 4},
		"the slowest store decides": {func(w *world, a *appended) []connector.StoreReport {
			slow, fast := w.report(a, at(a, 1)), w.report(a, at(a, 8))
			slow.Store, slow.Sequence = "slow", 2
			return []connector.StoreReport{slow, fast}
		}, 0, 3, 8},
		"the newest message stays": {func(w *world, a *appended) []connector.StoreReport {
			return []connector.StoreReport{w.report(a, at(a, n-1))}
		}, 0, n, 0},
		"young messages stay": {func(w *world, a *appended) []connector.StoreReport {
			return []connector.StoreReport{w.report(a, at(a, 5))}
		}, time.Hour, 1, 4},
		"a store that applied nothing": {func(w *world, a *appended) []connector.StoreReport {
			fresh := w.report(a, inventory.Position{})
			fresh.Store = "fresh"
			return []connector.StoreReport{w.report(a, at(a, 5)), fresh}
		}, 0, 1, n},
		"a store of another log": {func(w *world, a *appended) []connector.StoreReport {
			other := w.report(a, at(a, 8))
			other.Store, other.LogID = "other", "0123456789abcdef"
			return []connector.StoreReport{w.report(a, at(a, 5)), other}
		}, 0, 1, n},
		"a position that the log does not have": {func(w *world, a *appended) []connector.StoreReport {
			return []connector.StoreReport{w.report(a, inventory.Position{Run: a.next.Run - 1, Number: 3})}
		}, 0, 1, n},
		"a position beyond the log": {func(w *world, a *appended) []connector.StoreReport {
			r := w.report(a, at(a, n+5))
			r.Sequence = 6 // stands in the log, as another message
			return []connector.StoreReport{r}
		}, 0, 1, n},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.begin("erp")
			a.fill(n, 100)
			reports := tt.reports(w, a)
			for _, r := range reports {
				w.keep(r)
			}
			before := w.stream("INVENTORY_LOG_ERP").CachedInfo().State
			for range 2 { // the second time there is nothing to do
				usage, err := a.run.Purge(t.Context(), tt.keep, inventory.Position{})
				if err != nil {
					t.Fatal(err)
				}
				state := w.stream("INVENTORY_LOG_ERP").CachedInfo().State
				if state.FirstSeq != tt.first || state.LastSeq != n {
					t.Errorf("messages %d to %d are left, want %d to %d", state.FirstSeq, state.LastSeq, tt.first, n)
				}
				want := connector.Usage{Bytes: state.Bytes, MaxBytes: 64 << 20, Messages: n + 1 - tt.first, Unapplied: tt.left, Stores: len(reports)}
				if diff := cmp.Diff(want, usage); diff != "" {
					t.Errorf("usage (-want +got):\n%s", diff)
				}
			}
			if tt.first > 1 && w.stream("INVENTORY_LOG_ERP").CachedInfo().State.Bytes >= before.Bytes {
				t.Error("nothing was freed")
			}
			a.fill(2, 0) // a purge does not disturb the run
			if err := a.run.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPurgeKeepsWindow: what is older than the window goes, what is younger stays.
func TestPurgeKeepsWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(4, 0)
	s := w.stream("INVENTORY_LOG_ERP")
	m, err := s.GetMsg(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "time passes", func() bool { return time.Since(m.Time) > 300*time.Millisecond })
	a.fill(4, 0)
	w.keep(w.report(a, a.previous))
	if _, err := a.run.Purge(t.Context(), time.Since(m.Time)-100*time.Millisecond, inventory.Position{}); err != nil {
		t.Fatal(err)
	}
	if got := w.stream("INVENTORY_LOG_ERP").CachedInfo().State.FirstSeq; got != 5 {
		t.Errorf("the oldest message left is %d, want 5, the first of the young ones", got)
	}
}

// TestPurgeOutOfSpace: applied messages go before the log is full, young or not,
// and no more of them than needed.
func TestPurgeOutOfSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *natslog.Config) { c.MaxBytes = 1 << 20 })
	a := w.begin("erp")
	a.fill(88, 10_000)
	w.keep(w.report(a, a.previous))
	usage, err := a.run.Purge(t.Context(), time.Hour, inventory.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if percent := usage.Bytes * 100 / usage.MaxBytes; percent < 60 || percent > 72 {
		t.Errorf("the log is %d %% full after the purge, want about 70", percent)
	}
	w2 := newWorld(t, func(c *natslog.Config) { c.MaxBytes = 1 << 20 })
	b := w2.begin("erp")
	b.fill(88, 10_000)
	w2.keep(w2.report(b, inventory.Position{Run: b.next.Run, Number: 3}))
	if usage, err = b.run.Purge(t.Context(), time.Hour, inventory.Position{}); err != nil {
		t.Fatal(err)
	}
	if usage.Unapplied != 84 || usage.Messages != 84 {
		t.Errorf("got %+v: want all unapplied messages, and no other", usage)
	}
}

func TestUnregister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(5, 0)
	gone := w.report(a, inventory.Position{Run: a.next.Run})
	gone.Store = "gone"
	w.keep(gone)
	w.keep(w.report(a, a.previous))
	sources, err := w.client.Unregister(t.Context(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"erp"}, sources); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if usage, err := a.run.Purge(t.Context(), 0, inventory.Position{}); err != nil || usage.Stores != 1 || usage.Messages != 1 {
		t.Errorf("got %+v, %v", usage, err)
	}
	if sources, err := w.client.Unregister(t.Context(), "gone"); err != nil || len(sources) != 0 {
		t.Errorf("a second time: got %q, %v", sources, err)
	}
	if _, err := w.client.Unregister(t.Context(), ">"); err == nil {
		t.Error("a pattern was taken for a store")
	}
	w.keep(gone) // it lives after all
	if reports, err := w.client.Reports(t.Context(), "erp"); err != nil || len(reports) != 2 {
		t.Errorf("got %d reports, %v", len(reports), err)
	}
}

// What must not go stays, with all behind it, also when the log is short of space.
func TestPurgeHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(10, 100)
	at := func(number uint64) inventory.Position { return inventory.Position{Run: a.next.Run, Number: number} }
	w.keep(w.report(a, at(8)))
	for _, tt := range []struct {
		hold  inventory.Position
		first uint64
	}{
		{at(3), 4},
		{at(0), 4},
		{inventory.Position{Run: 1}, 4}, // purged long ago
		{at(5), 6},
		{inventory.Position{}, 10},
	} {
		if _, err := a.run.Purge(t.Context(), 0, tt.hold); err != nil {
			t.Fatal(err)
		}
		info, err := w.stream("INVENTORY_LOG_ERP").Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.FirstSeq != tt.first {
			t.Errorf("held %s: the oldest message is %d, want %d", tt.hold, info.State.FirstSeq, tt.first)
		}
	}
}
