package mysql

import (
	"context"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// TestMidway expects no progress between the parts of a transaction, and what was
// wanted meanwhile behind them.
func TestMidway(t *testing.T) {
	t.Parallel()
	d := fuzzDecoder(flavorMariaDB)
	d.group.open, d.part, d.progress = true, 1, true
	r := &reader{ctx: t.Context(), decoder: d, queue: tailing.NewQueue(1 << 20)}
	d.flushProgress(false)
	if err := r.handOver(); err != nil {
		t.Fatal(err)
	}
	r.arrive(r.handed)
	if got := queued(t, r.queue); len(got) != 0 {
		t.Errorf("%d deliveries between parts, want none", len(got))
	}
	d.group.open = false
	if err := r.handOver(); err != nil {
		t.Fatal(err)
	}
	if got := queued(t, r.queue); len(got) != 1 || !got[0].Progress() {
		t.Errorf("%d deliveries behind the parts, want progress", len(got))
	}
	r.arrive(r.handed)
	if got := queued(t, r.queue); len(got) != 1 || !got[0].Progress() {
		t.Errorf("%d deliveries, want progress at once", len(got))
	}
}

// queued takes what is in a queue, and waits for nothing.
func queued(t *testing.T, q *tailing.Queue) (got []*cdc.Transaction) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = q.Deliver(ended, func(d tailing.Delivery) error { // it ends with ended
		got = append(got, d.Transaction)
		return nil
	})
	return got
}
