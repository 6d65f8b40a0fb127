package sourcetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/cdc"
)

// testIdleProgress expects new tokens while only others write, in another
// database or in tables that nobody captures, and that they are good to resume from.
func testIdleProgress(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	r.exec("CREATE TABLE noise (id INT PRIMARY KEY)")
	st := tail(t, r.source("stock: qty"), "").started()
	for i, write := range []func(){
		func() { r.Elsewhere(t) },
		func() { r.exec("INSERT INTO noise VALUES (1)") },
	} {
		before := st.token()
		write()
		st.wait(fmt.Sprintf("progress %d", i), func() bool { return st.token() != before })
	}
	if got := commits(st.all()); len(got) != 0 {
		t.Errorf("commits that concern nobody were delivered: %q", render(got))
	}
	st.stop()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)")
	again := tail(t, r.source("stock: qty"), st.token())
	expectCommits(t, again.until(r.mark()), "insert stock id=1 qty=1.000")
}

// fill commits about a megabyte of rows that are captured.
func fill(r *rig, id int) {
	for i := range 10 {
		rows := make([]string, 2000)
		for j := range rows {
			rows[j] = fmt.Sprintf("(%d, '%s', 1)", id+2000*i+j, strings.Repeat("x", 35))
		}
		r.exec("INSERT INTO stock VALUES " + strings.Join(rows, ", "))
	}
}

// testConfirm expects the server to keep its log until it is confirmed, and to
// let go of it then, whether Tail runs at that moment or not.
func testConfirm(t *testing.T, h Harness) {
	requireFeature(t, h.Features.DiscardsConfirmedLog, "discarding confirmed log")
	r := newRig(t, h, stockTable)
	s := r.source("stock: qty")
	st := tail(t, s, "").started()
	fill(r, 0)
	st.until(r.mark())
	const megabyte = 1 << 20
	if kept := r.Retained(t); kept < megabyte {
		t.Fatalf("the server keeps %d bytes of log that nobody confirmed, want at least a megabyte", kept)
	}
	s.Confirm(st.token())
	eventually(t, "the server lets go of its log while Tail runs", func() bool { return r.Retained(t) < megabyte })

	fill(r, 100_000)
	st.until(r.mark())
	token := st.token()
	st.stop()
	if kept := r.Retained(t); kept < megabyte {
		t.Fatalf("the server keeps %d bytes of log that nobody confirmed, want at least a megabyte", kept)
	}
	s.Confirm(token)
	tail(t, s, token)
	eventually(t, "the server lets go of its log after Tail was called again", func() bool { return r.Retained(t) < megabyte })
}

// testConfirmAndResume expects tokens from the confirmed one on to be good, and
// an earlier one to be refused rather than to lose what lies between.
func testConfirmAndResume(t *testing.T, h Harness) {
	requireFeature(t, h.Features.DiscardsConfirmedLog, "discarding confirmed log")
	r := newRig(t, h, stockTable)
	s := r.source("stock: qty")
	st := tail(t, s, "").started()
	early := st.token()
	fill(r, 0)
	mark := r.mark()
	st.until(mark)
	all := commits(st.all())
	confirmed := all[8].token()
	s.Confirm(confirmed)
	// Nine of eleven commits are confirmed; one of the others is a tenth of what fill wrote.
	before := r.Retained(t)
	eventually(t, "the server lets go of the confirmed log", func() bool { return r.Retained(t) < before/2 })
	st.stop()

	again := tail(t, r.source("stock: qty"), confirmed)
	if got := again.until(mark); len(got) != 1 || len(got[0].changes) != 2000 {
		t.Errorf("from the confirmed token: got %d commits before the mark, want the last one of fill", len(got))
	}
	again.stop()
	var gap *cdc.GapError
	if err := tail(t, r.source("stock: qty"), early).ended(); !errors.As(err, &gap) {
		t.Errorf("from a token before the confirmed one, Tail returned %v, want a GapError", err)
	}
}
