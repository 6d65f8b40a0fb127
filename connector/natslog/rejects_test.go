package natslog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

func sampleReject() connector.Reject {
	text := "two"
	return connector.Reject{
		Source: "erp", Table: "public.stock", Row: `["a","é"]`, Key: connector.Key{"a", "é"}, Mapping: "9f2c51d07a3b8e64", Op: cdc.OpUpdate,
		Transaction: "771", CommittedAt: time.Date(2026, 11, 23, 8, 0, 0, 123456000, time.UTC), At: "0/30003C0",
		Position: inventory.Position{Run: 1764000000000, Number: 42},
		Problem:  inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[0].sku", Reason: "empty"},
		Columns:  []string{"sku", "qty"}, Values: []*string{nil, &text},
	}
}

// rejectsOf returns the kept rejects, without what the server adds.
func rejectsOf(t *testing.T, c *natslog.Client, source string, after uint64, limit int) (out []connector.Reject) {
	t.Helper()
	kept, err := c.Rejects(t.Context(), source, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kept {
		if k.ID <= after || time.Since(k.KeptAt) > time.Minute {
			t.Errorf("after %d: got %d, kept at %v", after, k.ID, k.KeptAt)
		}
		out = append(out, k.Reject)
	}
	return out
}

func TestRejects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if n, err := w.client.RejectCount(t.Context(), ""); err != nil || n != 0 {
		t.Errorf("before any: got %d, %v", n, err)
	}
	if _, err := w.client.Reject(t.Context(), 1); !errors.Is(err, natslog.ErrNoReject) {
		t.Errorf("before any: %v", err)
	}
	erp, wms := w.begin("erp").run, w.begin("wms").run
	a := sampleReject()
	b, c := a, a
	b.Row, b.Key = "[2]", connector.Key{"\xff\x00"}
	c.Source, c.Values, c.Columns, c.Key = "wms", nil, nil, nil
	for _, r := range []connector.Reject{a, b, a} { // a again, after a crash
		if err := erp.Reject(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := wms.Reject(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]connector.Reject{"": {b, a, c}, "erp": {b, a}, "wms": {c}, "x": nil} {
		if diff := cmp.Diff(want, rejectsOf(t, w.client, source, 0, 10)); diff != "" {
			t.Errorf("source %q (-want +got):\n%s", source, diff)
		}
		if n, err := w.client.RejectCount(t.Context(), source); err != nil || n != len(want) {
			t.Errorf("source %q: counted %d, %v, want %d", source, n, err, len(want))
		}
	}
	// b is 2, a is 3 and c is 4.
	if diff := cmp.Diff([]connector.Reject{a}, rejectsOf(t, w.client, "", 2, 1)); diff != "" {
		t.Errorf("the one after 2 (-want +got):\n%s", diff)
	}
	if kept, err := w.client.Reject(t.Context(), 3); err != nil || !cmp.Equal(kept.Reject, a) || kept.ID != 3 {
		t.Errorf("reject 3: %+v, %v", kept, err)
	}
	if kept, err := w.client.NewestReject(t.Context(), "erp", connector.RejectRef{Table: a.Table, Mapping: a.Mapping, Row: a.Row}); err != nil || kept.ID != 3 {
		t.Errorf("newest reject of a row: %+v, %v", kept, err)
	}
	for _, id := range []uint64{0, 1, 5} {
		if _, err := w.client.Reject(t.Context(), id); !errors.Is(err, natslog.ErrNoReject) {
			t.Errorf("reject %d: %v", id, err)
		}
	}
	bad := a
	bad.Values = bad.Values[:1]
	if err := erp.Reject(t.Context(), bad); err == nil {
		t.Error("two columns and one value were taken")
	}
}

// TestRejectsDropped: what is removed is just the reject that was meant: not a newer one
// of its row, and not another that has its number.
func TestRejectsDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	erp := w.begin("erp").run
	a := sampleReject()
	b, c := a, a
	b.Row, c.Row = "[2]", "[3]"
	for _, r := range []connector.Reject{a, b, c, a} {
		if err := erp.Reject(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	ref := func(id uint64, r connector.Reject) connector.RejectRef {
		return connector.RejectRef{ID: id, Table: r.Table, Mapping: r.Mapping, Row: r.Row}
	}
	for _, stale := range []connector.RejectRef{ref(0, a), ref(1, a), ref(2, a), ref(4, b), ref(9, a)} {
		if was, err := w.client.DropReject(t.Context(), "erp", stale); err != nil || was {
			t.Errorf("dropped %+v: %v, %v", stale, was, err)
		}
	}
	if was, err := w.client.DropReject(t.Context(), "wms", ref(2, b)); err != nil || was {
		t.Errorf("dropped another source's: %v, %v", was, err)
	}
	if err := erp.Settle(t.Context(), []connector.RejectRef{ref(1, a), ref(3, c), ref(3, c)}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]connector.Reject{b, a}, rejectsOf(t, w.client, "erp", 0, 10)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	for _, want := range []bool{true, false} {
		if was, err := w.client.DropReject(t.Context(), "erp", ref(2, b)); err != nil || was != want {
			t.Errorf("dropped: %v, %v, want %v", was, err, want)
		}
	}
	if diff := cmp.Diff([]connector.Reject{a}, rejectsOf(t, w.client, "erp", 0, 10)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestFullRejectsStop: the row that finds no room is not stepped over, and none
// that was kept is dropped for it.
func TestFullRejectsStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *natslog.Config) { c.RejectsMaxBytes = 16 << 10 })
	run := w.begin("erp").run
	r := sampleReject()
	kept := 0
	var err error
	for ; err == nil && kept < 1000; kept++ {
		r.Row = cdc.RowKey(fmt.Sprintf("[%d]", kept))
		err = run.Reject(t.Context(), r)
	}
	kept--
	if err == nil || !strings.Contains(err.Error(), "stream INVENTORY_REJECTS takes no more") {
		t.Fatalf("got %v", err)
	}
	if n, err := w.client.RejectCount(t.Context(), "erp"); err != nil || n != kept || n < 10 {
		t.Errorf("%d rejects are kept, %v; %d were acknowledged", n, err, kept)
	}
}
