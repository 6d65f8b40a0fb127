package stockstore_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/stockstore"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		w := &testLog{source: "wms"}
		spoilt := func(row int, kind inventory.ProblemKind, reason string) inventory.Event {
			e := w.row(row, "A", 0)
			e.Contributions, e.Problem = nil, &inventory.Problem{Kind: kind, Rule: "contributes[0].sku", Reason: reason}
			return e
		}
		w.apply(t, s, w.row(1, "A", 5), w.row(2, "A", 2), spoilt(2, inventory.Rejected, "odd"),
			spoilt(3, inventory.Unresolved, "no row 7 yet"), spoilt(4, inventory.Unresolved, "no row 7 yet"),
			spoilt(5, inventory.Unresolved, "no row 8 yet"), spoilt(6, inventory.Rejected, "odd"), w.row(6, "A", 1))
		at := func(n uint64) (inventory.Position, time.Time) {
			return inventory.Position{Run: testRun, Number: n}, time.Date(2026, 11, 23, 8, 0, int(n), 123456000, time.UTC)
		}
		name := func(source string, row int) stockstore.RowName {
			e := w.row(row, "A", 0)
			return stockstore.RowName{Source: source, Table: e.Table, Mapping: e.Mapping, Row: e.Row}
		}
		other := name("wms", 2)
		other.Mapping = "0000000000000000"
		states, err := s.RowStates(t.Context(), []stockstore.RowName{name("wms", 1), name("wms", 2), name("wms", 6), other, name("erp", 2)})
		if err != nil {
			t.Fatal(err)
		}
		applied, _ := at(8)
		position, committed := at(3)
		want := []stockstore.RowState{
			{Applied: applied, Held: true},
			{Applied: applied, Held: true, Problem: &stockstore.ExplainedProblem{
				Problem:  inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[0].sku", Reason: "odd"},
				Position: position, Transaction: "t3", CommittedAt: committed,
			}},
			{Applied: applied, Held: true},
			{Applied: applied},
			{},
		}
		if diff := cmp.Diff(want, states); diff != "" {
			t.Errorf("states of rows (-want +got):\n%s", diff)
		}
		held, err := s.ExplainRow(t.Context(), "wms", "public.bin", "[2]")
		if err != nil || len(held) != 1 || held[0].Quantities[inventory.OnHand] != 2*inventory.One || held[0].Problem == nil {
			t.Errorf("what counts of row 2: %+v, %v", held, err)
		}
		waiting, err := s.Waiting(t.Context(), inventory.Unresolved, "", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		since := func(n uint64) time.Time { _, at := at(n); return at }
		group := func(reason string, n int64, first, last string, since time.Time) stockstore.WaitingRows {
			e := spoilt(3, inventory.Unresolved, reason)
			return stockstore.WaitingRows{
				Source: "wms", Table: e.Table, Mapping: e.Mapping, Problem: *e.Problem, Rows: n,
				First: cdc.RowKey(first), Last: cdc.RowKey(last), Since: since,
			}
		}
		both := []stockstore.WaitingRows{group("no row 7 yet", 2, "[3]", "[4]", since(4)), group("no row 8 yet", 1, "[5]", "[5]", since(6))}
		if diff := cmp.Diff(both, waiting); diff != "" {
			t.Errorf("what waits (-want +got):\n%s", diff)
		}
		for _, c := range []struct {
			source, table string
			limit, want   int
		}{{"wms", "public.bin", 1, 1}, {"wms", "public.tray", 9, 0}, {"erp", "", 9, 0}, {"", "public.bin", 9, 2}} {
			if got, err := s.Waiting(t.Context(), inventory.Unresolved, c.source, c.table, c.limit); err != nil || len(got) != c.want {
				t.Errorf("source %q, table %q, at most %d: %d, %v, want %d", c.source, c.table, c.limit, len(got), err, c.want)
			}
		}
		registry := prometheus.NewRegistry()
		counting, err := stockstore.Open(t.Context(), cfg, nil, registry) // counts at once
		if err != nil {
			t.Fatal(err)
		}
		defer counting.Close()
		testenv.Eventually(t, 10*time.Second, func() bool {
			return cmp.Equal(problemRows(t, registry), map[string]float64{"wms rejected": 1, "wms unresolved": 3})
		}, func() string { return fmt.Sprint("rows with problems: ", problemRows(t, registry)) })
	})
}

// problemRows reads the metric, by source and kind.
func problemRows(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "tailstock_store_problem_rows" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels["source"]+" "+labels["kind"]] = m.GetGauge().GetValue()
		}
	}
	return out
}
