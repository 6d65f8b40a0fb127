package natslog_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

var sampleReport = connector.StoreReport{
	Store: "s1", Source: "erp", LogID: "0123456789abcdef",
	Position: inventory.Position{Run: 1764000000000, Number: 42}, Sequence: 99,
	Feeds: []connector.FeedReport{
		{FeedName: inventory.FeedName{Table: "public.stock", Mapping: "9f2c51d07a3b8e64"}, State: connector.FeedActive},
		{FeedName: inventory.FeedName{Table: "public.order_line", Mapping: "0011223344556677"}, State: connector.FeedStale},
	},
}

// TestReportIsAnnouncedAndKept: every report goes out at once, and the newest is
// kept, without a write for each.
func TestReportIsAnnouncedAndKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.admin(natslog.RoleDaemon).Conn()
	sub, err := conn.SubscribeSync("inventory.report.erp.s1")
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	p := w.client.Reporter(nil)
	const n = 200
	r := sampleReport
	var last string
	for i := range n {
		r.Position.Number = uint64(i)
		if err := p.Report(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		var got struct{ Position string }
		for got.Position = last; got.Position == last; { // the newest is announced again when one is kept
			m, err := sub.NextMsg(10 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(m.Data, &got); err != nil {
				t.Fatal(err)
			}
		}
		if last = got.Position; last != r.Position.String() {
			t.Fatalf("announced %s, want %s", last, r.Position)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := w.client.Reports(t.Context(), "erp")
	if err != nil {
		t.Fatal(err)
	}
	want := []natslog.KeptReport{{StoreReport: r}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(natslog.KeptReport{}, "At")); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if time.Since(got[0].At).Abs() > time.Minute {
		t.Errorf("kept at %s", got[0].At)
	}
	if state := w.stream("KV_INVENTORY_STATE").CachedInfo().State; state.LastSeq > n/10 {
		t.Errorf("%d reports made %d writes", n, state.LastSeq)
	}
	if got, err := w.client.Reports(t.Context(), "wms"); err != nil || len(got) != 0 {
		t.Errorf("reports about another source: %v, %v", got, err)
	}
}

// TestFirstReportRegisters: a new store is registered without waiting.
func TestFirstReportRegisters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.client.Reporter(nil)
	if err := p.Report(t.Context(), sampleReport); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store is registered", func() bool {
		got, err := w.client.Reports(t.Context(), "erp")
		return err == nil && len(got) == 1
	})
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// gatedLease is held, which it says only once the gate is open.
type gatedLease struct{ asked, gate chan struct{} }

func (l gatedLease) Hold(ctx context.Context, f func(context.Context) error) error { return f(ctx) }

func (l gatedLease) Check(ctx context.Context) error {
	l.asked <- struct{}{}
	select {
	case <-l.gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestStoreIsHeardAtOnce: what a capture knows of a store that it has not heard of
// before is the newest that the store said, as soon as its first report is kept,
// although that one said less, and nothing was kept when the others came.
func TestStoreIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	lease := gatedLease{make(chan struct{}, 1), make(chan struct{})}
	p := w.client.Reporter(lease)
	for i := range 3 {
		r := sampleReport
		r.Position.Number = uint64(i)
		if err := p.Report(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-lease.asked // this one is being kept
		}
	}
	began := time.Now()
	close(lease.gate)
	late := time.After(10 * time.Second)
	for {
		if got := a.run.Reports(); len(got) == 1 && got[0].Position.Number == 2 {
			break
		}
		select {
		case <-a.run.Reported():
		case <-late:
			t.Fatalf("the capture knows %+v, and is not told of more", a.run.Reports())
		}
	}
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("it took %s, as if the clock had brought it", took)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestReportRefusesStrangeNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.client.Reporter(nil)
	for _, edit := range []func(r *connector.StoreReport){
		func(r *connector.StoreReport) { r.Store = "a.b" }, func(r *connector.StoreReport) { r.Source = "*" },
	} {
		r := sampleReport
		edit(&r)
		if err := p.Report(t.Context(), r); err == nil {
			t.Errorf("took %+v", r)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestReporterThatLostItsLease keeps nothing over another's report.
func TestReporterThatLostItsLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep(sampleReport)
	old := w.client.Reporter(w.lease("store/erp", time.Minute)) // not held
	r := sampleReport
	r.Position.Number = 1
	if err := old.Report(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	isErr(t, old.Close(t.Context()), connector.ErrLeaseLost)
	got, err := w.client.Reports(t.Context(), "erp")
	if err != nil || len(got) != 1 || got[0].Position != sampleReport.Position {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestReportWithoutServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.client.Reporter(nil)
	if err := w.server.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the report fails", func() bool { return p.Report(t.Context(), sampleReport) != nil })
	if err := p.Close(t.Context()); err == nil {
		t.Error("a report that was never kept was forgotten in silence")
	} else if errors.Is(err, connector.ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
}
