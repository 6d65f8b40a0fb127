package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tailstock/connector/cdc"
)

// prompt is how soon Tail must have returned after its context has ended.
const prompt = 10 * time.Second

// testEmitError expects Tail to stop at emit's error and to return it, to call
// emit no more, and to deliver the refused transaction when it is called again
// on the same source.
func testEmitError(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	s := r.source("stock: qty")
	var calls, refused int
	st := tail(t, s, "", func(_ context.Context, transaction *cdc.Transaction) error {
		calls++
		if len(transaction.Changes) > 0 && transaction.Changes[0].After[0].Text() == "2" {
			refused = calls
			return fmt.Errorf("no room: %w", errCrash)
		}
		return nil
	})
	st.started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)", "INSERT INTO stock VALUES (2, 'B', 2)", "INSERT INTO stock VALUES (3, 'C', 3)")
	if err := st.ended(); !errors.Is(err, errCrash) {
		t.Errorf("Tail returned %v, want emit's error", err)
	}
	if calls != refused {
		t.Errorf("emit was called %d more times after its error", calls-refused)
	}
	expectCommits(t, commits(st.all()), "insert stock id=1 qty=1.000")
	again := tail(t, s, st.token())
	expectCommits(t, again.until(r.mark()), "insert stock id=2 qty=2.000", "insert stock id=3 qty=3.000")
}

// testCancel expects Tail to return soon after its context has ended, with its
// cause, and to leave no connection behind.
func testCancel(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	s := r.source("stock: qty")
	if n := r.Sessions(t); n != 0 {
		t.Fatalf("a source that does not tail has %d connections", n)
	}
	st := tail(t, s, "").started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)")
	st.until(r.mark())
	if r.Sessions(t) == 0 {
		t.Fatal("no connection is seen while the source tails, the test is void")
	}
	began := time.Now()
	st.stop()
	if took := time.Since(began); took > prompt {
		t.Errorf("Tail returned after %v, want within %v", took, prompt)
	}
	eventually(t, "the server sees the connections of the source closed", func() bool { return r.Sessions(t) == 0 })
	again := tail(t, s, st.token())
	expectCommits(t, again.until(r.mark()))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.source("stock: qty").Tail(ended, st.token(), func(context.Context, *cdc.Transaction) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context Tail returned %v, want %v", err, context.Canceled)
	}
}

// testCancelWhileEmitting expects the same while emit blocks until its context ends.
func testCancelWhileEmitting(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	s := r.source("stock: qty")
	blocked := make(chan struct{})
	st := tail(t, s, "", func(ctx context.Context, transaction *cdc.Transaction) error {
		if transaction.Progress() {
			return nil
		}
		close(blocked)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	st.started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)")
	select {
	case <-blocked:
	case <-time.After(patience):
		t.Fatal("emit was not called")
	}
	st.stop()
	eventually(t, "the server sees the connections of the source closed", func() bool { return r.Sessions(t) == 0 })
	again := tail(t, s, st.token())
	expectCommits(t, again.until(r.mark()), "insert stock id=1 qty=1.000")
}

// testBackpressure expects nothing to be lost or reordered while emit blocks
// and applications go on writing.
func testBackpressure(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	open := make(chan struct{})
	st := tail(t, r.source("stock: qty"), "", func(ctx context.Context, transaction *cdc.Transaction) error {
		if transaction.Progress() {
			return nil
		}
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	st.started()
	const n = 300
	var want []string
	for i := range n {
		r.exec(fmt.Sprintf("INSERT INTO stock VALUES (%d, 'A', %d)", i, i))
		want = append(want, fmt.Sprintf("insert stock id=%d qty=%d.000", i, i))
	}
	r.exec(insertMany(10_000, 10*h.PartRows))
	mark := r.mark()
	if got := commits(st.all()); len(got) != 0 {
		t.Fatalf("%d commits came past a closed gate", len(got))
	}
	close(open)
	got := st.until(mark)
	expectCommits(t, got[:n], want...)
	if len(got) != n+1 || len(got[n].changes) != 10*h.PartRows {
		t.Errorf("got %d commits, want %d, the last of %d changes", len(got), n+1, 10*h.PartRows)
	}
}

// testServerRestart crashes the server under a source, and expects an error
// that a retry cures, and every commit once.
func testServerRestart(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	s := r.source("stock: qty")
	st := tail(t, s, "").started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)")
	st.until(r.mark())
	r.exec("INSERT INTO stock VALUES (2, 'B', 2)")
	r.Stop(t)
	err := st.ended()
	var setup *cdc.SetupError
	var gap *cdc.GapError
	if err == nil || errors.As(err, &setup) || errors.As(err, &gap) {
		t.Errorf("when the server went away, Tail returned %v, want an error that a retry may cure", err)
	}
	if err := s.Tail(t.Context(), st.token(), func(context.Context, *cdc.Transaction) error { return nil }); err == nil ||
		errors.As(err, &setup) || errors.As(err, &gap) {
		t.Errorf("while the server is away, Tail returned %v, want an error that a retry may cure", err)
	}
	r.Start(t)
	r.exec("INSERT INTO stock VALUES (3, 'C', 3)")
	mark := r.mark()
	again := tail(t, s, st.token())
	again.until(mark)
	all := commits(append(st.all(), again.all()...))
	expectCommits(t, all,
		"insert stock id=1 qty=1.000", "insert mark n=1", "insert stock id=2 qty=2.000", "insert stock id=3 qty=3.000", "insert mark n=2")
}

// testOtherServer expects the token of one server to be refused by another.
func testOtherServer(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: qty"), "").started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)")
	st.until(r.mark())
	st.stop()

	start := h
	start.Start = h.StartOther
	other := newRig(t, start, stockTable)
	s := other.source("stock: qty")
	tail(t, s, "").started().stop()
	var gap *cdc.GapError
	err := tail(t, s, st.token()).ended()
	if !errors.As(err, &gap) || gap.Reason != cdc.GapServerReplaced {
		t.Errorf("with the token of another server, Tail returned %v, want a GapError for %s", err, cdc.GapServerReplaced)
	}
}
