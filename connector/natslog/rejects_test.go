package natslog_test

import (
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
		Source: "erp", Table: "public.stock", Row: `["a","é"]`, Mapping: "9f2c51d07a3b8e64", Op: cdc.OpUpdate,
		Transaction: "771", CommittedAt: time.Date(2026, 11, 23, 8, 0, 0, 123456000, time.UTC), At: "0/30003C0",
		Position: inventory.Position{Run: 1764000000000, Number: 42},
		Problem:  inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[0].sku", Reason: "empty"},
		Columns:  []string{"sku", "qty"}, Values: []*string{nil, &text},
	}
}

func TestRejects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if n, err := w.client.RejectCount(t.Context(), ""); err != nil || n != 0 {
		t.Errorf("before any: got %d, %v", n, err)
	}
	erp, wms := w.begin("erp").run, w.begin("wms").run
	a := sampleReject()
	b, c := a, a
	b.Row = "[2]"
	c.Source, c.Values, c.Columns = "wms", nil, nil
	for _, r := range []connector.Reject{a, b, a} { // a again, after a crash
		if err := erp.Reject(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := wms.Reject(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]connector.Reject{"": {b, a, c}, "erp": {b, a}, "wms": {c}, "x": nil} {
		got, err := w.client.Rejects(t.Context(), source, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("source %q (-want +got):\n%s", source, diff)
		}
		if n, err := w.client.RejectCount(t.Context(), source); err != nil || n != len(want) {
			t.Errorf("source %q: counted %d, %v, want %d", source, n, err, len(want))
		}
	}
	if got, err := w.client.Rejects(t.Context(), "", 1); err != nil || len(got) != 1 {
		t.Errorf("one of them: got %d, %v", len(got), err)
	}
	bad := a
	bad.Values = bad.Values[:1]
	if err := erp.Reject(t.Context(), bad); err == nil {
		t.Error("two columns and one value were taken")
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
