package stockstore_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/inventory"
	"tailstock/sinks/stockstore"
)

// TestDataErrorNamesTheRow: the one row that the database refuses is found in
// a batch, wherever it is, and nothing of the batch stays.
func TestDataErrorNamesTheRow(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		s := openStore(t, cfg)
		defer s.Close()
		if cfg.Postgres != "" {
			mustExec(t, db, `alter table contribution add constraint no_bad check (sku <> 'BAD')`)
		} else {
			mustExec(t, db, `create trigger no_bad before insert on contribution when new.sku = 'BAD'
				begin select raise(abort, 'no_bad'); end`)
		}
		w := &testLog{source: "wms"}
		for _, at := range []int{3, 36, 96, 99} {
			events := make([]inventory.Event, 100)
			for i := range events {
				sku := inventory.SKU("GOOD")
				if i == at {
					sku = "BAD"
				}
				events[i] = w.row(i%97, sku, 1) // rows 0 to 2 come twice
			}
			_, err := w.try(t.Context(), s, events...)
			var refused *stockstore.DataError
			if !errors.As(err, &refused) {
				t.Fatalf("row %d: %v", at, err)
			}
			want := events[at%97]
			if refused.Row != want.Row || refused.Table != want.Table || refused.Source != "wms" ||
				refused.Position.Number != uint64(at+1) || !strings.Contains(err.Error(), "no_bad") {
				t.Errorf("row %d: %v", at, err)
			}
		}
		if levels, err := s.Levels(t.Context(), "GOOD"); err != nil || len(levels) != 0 {
			t.Errorf("levels %v (%v) of batches that were refused", levels, err)
		}
		w.apply(t, s, w.row(1, "GOOD", 1))
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		reg := prometheus.NewRegistry()
		s, err := stockstore.Open(t.Context(), cfg, nil, reg)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		w := &testLog{source: "wms"}
		w.apply(t, s, w.row(1, "A", 5), w.row(2, "A", 5), w.row(1, "A", 6)) // after the load of the empty table
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]float64)
		for _, f := range families {
			m := f.GetMetric()[0]
			got[f.GetName()] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		for name, want := range map[string]float64{
			"tailstock_store_batches_total": 2, "tailstock_store_events_total": 3, "tailstock_store_contributions_total": 2,
			"tailstock_store_cells_total": 1, "tailstock_store_apply_seconds": 2,
			"tailstock_store_apply_events_per_second": 1, "tailstock_store_latency_seconds": 3,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
	})
}
