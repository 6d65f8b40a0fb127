package connector_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// TestPartnoCollisionsAreCounted maps part numbers that the normaliser brings
// together, streamed and loaded, and looks at what is counted.
func TestPartnoCollisionsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.chaos.set(0)
		w.source.dawdles = false
		w.source.exact, w.spelled = false, true
		w.config = simConfig{bin: 0, tray: -1}
		for _, table := range w.source.tables {
			clear(table.rows)
			clear(table.good)
			clear(table.visible)
		}
		for id, sku := range []string{"1234", "12-34", "1234", "12.34", "x-1"} {
			w.source.set(id, simRow{sku: sku, location: "L0", qty: 1})
		}
		d := w.start()
		defer func() { d.kill() }()
		count := func(want float64) {
			t.Helper()
			passTime(time.Minute)
			if got := d.counted("tailstock_capture_partno_collisions_total"); got != want {
				t.Errorf("%v collisions are counted, want %v", got, want)
			}
		}
		count(0)
		for range 2 { // what is known is not counted again
			w.source.mu.Lock()
			c := w.source.begin()
			w.source.write(c, w.source.tables[0], 7, simRow{sku: "123-4", location: "L0", qty: 1})
			w.source.end(c, 0)
			w.source.mu.Unlock()
			count(1)
		}
		d.kill()
		d = w.start() // which knows it from the run before
		w.source.mu.Lock()
		c := w.source.begin()
		w.source.write(c, w.source.tables[0], 7, simRow{sku: "123-4", location: "L1", qty: 1})
		w.source.end(c, 0)
		w.source.mu.Unlock()
		count(0)
		var shown string
		for _, r := range d.board.Roles() {
			if known := r.Detail["partno_collisions"]; known != nil {
				shown = fmt.Sprint(known)
			}
		}
		if want := "[{1234 12-34 123-4 public.bin [1]}]"; shown != want {
			t.Errorf("the board shows %q, want %q", shown, want)
		}
	})
}

// spelledMapping maps rows to what partno makes of their SKU.
func spelledMapping(tb testing.TB, table string, _ int) *mapping.Mapping {
	tb.Helper()
	r := mapping.Rule{SKU: mapping.Value{Text: "partno(sku)"}, Location: mapping.Value{Text: "location"}}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(cdc.TableName{Schema: "public", Name: table}, mapping.Spec{Contributes: []mapping.Rule{r}})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}
