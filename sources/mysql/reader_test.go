package mysql

import "testing"

// TestMidway expects no progress between the parts of a transaction, and what was
// wanted meanwhile behind them.
func TestMidway(t *testing.T) {
	t.Parallel()
	d := fuzzDecoder(flavorMariaDB)
	d.group.open, d.part, d.progress = true, 1, true
	r := &reader{ctx: t.Context(), decoder: d, queue: newQueue(1 << 20)}
	d.flushProgress(false)
	if err := r.handOver(); err != nil {
		t.Fatal(err)
	}
	r.arrive(r.handed)
	if n := len(r.queue.items); n != 0 {
		t.Errorf("%d deliveries between parts, want none", n)
	}
	d.group.open = false
	if err := r.handOver(); err != nil {
		t.Fatal(err)
	}
	if n := len(r.queue.items); n != 1 || !r.queue.items[0].transaction.Progress() {
		t.Errorf("%d deliveries behind the parts, want progress", n)
	}
	r.arrive(r.handed)
	if n := len(r.queue.items); n != 2 {
		t.Errorf("%d deliveries, want progress at once", n)
	}
}
