package connector

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// heldRun is a run whose acks come when the test says.
type heldRun struct {
	Run
	acks []heldAck
}

type heldAck chan struct{}

func (a heldAck) Wait(ctx context.Context) error {
	select {
	case <-a:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *heldRun) Start() RunStart {
	return RunStart{Run: 7, Tail: inventory.Position{Run: 3, Number: 4}, Resume: "before"}
}

func (r *heldRun) Append(context.Context, inventory.Envelope) (Ack, error) {
	ack := make(heldAck)
	r.acks = append(r.acks, ack)
	return ack, nil
}

// packing is an appender with a goroutine that collects acks, in a bubble. The
// test's goroutine is the one that opens commits.
type packing struct {
	t   *testing.T
	run *heldRun
	a   *appender
}

func packed(t *testing.T, f func(*packing)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		run := new(heldRun)
		p := &packing{t: t, run: run, a: newAppender("erp", run, NewMetrics(nil))}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- p.a.collect(ctx) }()
		f(p)
		cancel()
		if err := <-result; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// commit takes a commit of one event, as the goroutine that opens them does up to
// where it would push.
func (p *packing) commit(id string) {
	p.t.Helper()
	transaction := &cdc.Transaction{ID: id, Last: true, Resume: cdc.Resume("after " + id)}
	c, err := p.a.open(p.t.Context(), transaction, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.close()
	c.event(&inventory.Event{Op: cdc.OpDelete, Table: "public.bin", Mapping: "9f2c51d07a3b8e64", Row: "[1]"})
	if _, err := c.end(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// fill appends control events until the window has no room, and packs a commit.
func (p *packing) fill(id string) {
	p.t.Helper()
	for len(p.a.slots) < appendWindow {
		if _, err := p.a.control(p.t.Context(), []byte("{}")); err != nil {
			p.t.Fatal(err)
		}
	}
	p.commit(id)
}

// TestCollectorNeverWaitsForRoom has the window filled just when the goroutine that
// collects acks, having seen that a commit is due, reaches for the turn. If it then
// appended, it would wait for room that only it makes.
func TestCollectorNeverWaitsForRoom(t *testing.T) {
	t.Parallel()
	packed(t, func(p *packing) {
		came := false
		p.a.between = func() {
			if !came {
				came = true
				p.fill("late") // what the other goroutine does meanwhile
			}
		}
		for range appendEager {
			if _, err := p.a.control(p.t.Context(), []byte("{}")); err != nil {
				p.t.Fatal(err)
			}
		}
		p.commit("early") // waits for an ack
		close(p.run.acks[0])
		synctest.Wait()
		if !came || len(p.a.slots) < appendWindow {
			p.t.Fatalf("came in between: %v, %d in the window; the test is void", came, len(p.a.slots))
		}
		for i := 1; i < len(p.run.acks); i++ {
			close(p.run.acks[i])
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute) // fake time
		defer cancel()
		if err := p.a.drain(ctx); err != nil {
			p.t.Fatalf("the capture stands still with %d of %d in the window: %v", len(p.a.slots), appendWindow, err)
		}
		if place := p.a.place(); place.seen != "after late" || place.resume != "after late" {
			p.t.Errorf("at the end %+v, want everything durable", place)
		}
	})
}
