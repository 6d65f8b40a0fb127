package stockstore_test

import (
	"database/sql"
	"testing"
	"time"

	"tailstock/connector/inventory"
	"tailstock/sinks/stockstore"
)

// TestCheckLevelsAfterWrongClock lets time pass by a clock that is years ahead, then
// has it set right: what began, ended or was taken to be over is found, repaired, and
// happens at its moment again.
func TestCheckLevelsAfterWrongClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	dialects(t, func(t *testing.T, cfg stockstore.Config, _ *sql.DB) {
		clock := now
		set := func(at time.Time) { clock = at }
		cfg.Now = func() time.Time { return clock }
		s := openStore(t, cfg)
		defer s.Close()
		w := &testLog{source: "wms"}
		hour := func(n int) inventory.Moment { return inventory.MomentOf(now.Add(time.Duration(n) * time.Hour)) }
		events := []inventory.Event{w.row(1, "ENDS", 1), w.row(2, "BEGINS", 1), w.row(3, "BOTH", 1), w.row(4, "PLAIN", 1), w.row(5, "NEAR", 1)}
		events[0].Contributions[0].Valid.Until = hour(10)
		events[1].Contributions[0].Valid.From = hour(10)
		events[2].Contributions[0].Valid = inventory.Validity{From: hour(5), Until: hour(10)}
		events[4].Contributions[0].Valid.Until = inventory.MomentOf(now.Add(30 * time.Second))
		w.apply(t, s, events...)
		check := func(what string, repair bool, want stockstore.CheckedLevels) {
			t.Helper()
			got, err := s.CheckLevels(t.Context(), "wms", repair, func(stockstore.CellDrift) error { return nil })
			if err != nil || got != want {
				t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
			}
		}
		elapse := func(want int) {
			t.Helper()
			if e, err := s.Elapse(t.Context(), "wms"); err != nil || e.Contributions != want {
				t.Errorf("elapsed %+v, %v; want %d contributions", e, err, want)
			}
		}
		check("at first", false, stockstore.CheckedLevels{Cells: 3})
		set(now.AddDate(5, 0, 0))
		check("before what is due is done", false, stockstore.CheckedLevels{Cells: 3})
		elapse(4)
		set(now)
		elapse(0)
		// NEAR may be over by the clock of another machine.
		check("with the clock set right", false, stockstore.CheckedLevels{Cells: 4, Misjudged: 3})
		check("repaired", true, stockstore.CheckedLevels{Cells: 4, Drifted: 2, Misjudged: 3})
		check("after the repair", true, stockstore.CheckedLevels{Cells: 4})
		for sku, want := range map[inventory.SKU]string{"ENDS": "1", "BEGINS": "0", "PLAIN": "1"} {
			if got := onHandOf(t, s, sku); got != want {
				t.Errorf("%s is %s, want %s", sku, got, want)
			}
		}
		set(now.Add(5 * time.Hour))
		elapse(1)
		set(now.Add(10 * time.Hour))
		elapse(3)
		for sku, want := range map[inventory.SKU]string{"ENDS": "0", "BEGINS": "1", "BOTH": "0", "PLAIN": "1"} {
			if got := onHandOf(t, s, sku); got != want {
				t.Errorf("%s is %s in the end, want %s", sku, got, want)
			}
		}
		check("in the end", false, stockstore.CheckedLevels{Cells: 5})
	})
}
