package stockstore_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/sinks/stockstore"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		wms, erp := &testLog{source: "wms"}, &testLog{source: "erp"}
		odd := wms.row(2, "A", 0)
		odd.Contributions = nil
		odd.Problem = &inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[0].on_hand", Reason: "NaN"}
		wms.apply(t, s, wms.row(1, "A", 5), wms.row(2, "A", 2), wms.row(3, "B", 9), odd)
		erp.apply(t, s, erp.row(1, "A", -3))

		got, err := s.Explain(t.Context(), "A")
		if err != nil {
			t.Fatal(err)
		}
		at := func(second int) time.Time { return time.Date(2026, 11, 23, 8, 0, second, 123456000, time.UTC) }
		position := func(n uint64) inventory.Position {
			return inventory.Position{Run: 1_732_000_000_000, Number: n}
		}
		contribution := func(source string, row, units int64, n uint64) stockstore.ExplainedContribution {
			e := wms.row(int(row), "A", units)
			return stockstore.ExplainedContribution{
				Contribution: e.Contributions[0], Counts: true, Source: source, Table: e.Table, Mapping: testMapping,
				Feed: connector.FeedActive, Row: e.Row, Position: position(n),
				Transaction: "t" + string(rune('0'+n)), CommittedAt: at(int(n)),
			}
		}
		want := stockstore.Explanation{
			SKU: "A",
			Levels: []inventory.Level{{
				Cell: inventory.Cell{SKU: "A", Location: "L"}, Quantities: inventory.Quantities{4 * inventory.One},
				Source: "erp", Transaction: "t1", CommittedAt: at(1),
			}},
			Contributions: []stockstore.ExplainedContribution{
				contribution("erp", 1, -3, 1), contribution("wms", 1, 5, 1), contribution("wms", 2, 2, 2),
			},
		}
		want.Contributions[2].Problem = &stockstore.ExplainedProblem{
			Problem: *odd.Problem, Position: position(4), Transaction: "t4", CommittedAt: at(4),
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(inventory.Level{}, "UpdatedAt")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if age := time.Since(got.Levels[0].UpdatedAt); age < 0 || age > time.Minute {
			t.Errorf("changed at %s", got.Levels[0].UpdatedAt)
		}
		if got, err := s.Explain(t.Context(), "nothing"); err != nil || len(got.Levels) > 0 || got.Contributions != nil {
			t.Errorf("an unknown sku: %+v, %v", got, err)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		w := &testLog{source: "wms"}
		odd := w.row(2, "A", 0)
		odd.Problem = &inventory.Problem{Kind: inventory.Rejected, Rule: "r", Reason: "odd"}
		w.apply(t, s, w.row(1, "A", 5), w.row(3, "B", 1), odd)
		if err := s.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := s.Stats(t.Context())
		want := stockstore.Stats{OutboxCells: 2, Walks: 1, Problems: map[string]map[inventory.ProblemKind]int64{"wms": {inventory.Rejected: 1}}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
	})
}
