package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/cdc"
)

// insertMany returns a statement that inserts n rows into stock from id on.
func insertMany(id, n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("(%d, 'SKU-%d', %d)", id+i, id+i, i%100)
	}
	return "INSERT INTO stock VALUES " + strings.Join(rows, ", ")
}

// testParts expects a large commit in parts that are numbered, small enough,
// of one commit, and together all of it.
func testParts(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	want := 5*h.PartRows + 1
	r.exec("INSERT INTO stock VALUES (1, 'before', 1)")
	r.commit(insertMany(1000, want-1), "DELETE FROM stock WHERE id = 1000")
	got := st.until(r.mark())
	if len(got) != 2 {
		t.Fatalf("got %d commits, want 2", len(got))
	}
	large := got[1]
	if len(large.changes) != want || len(large.parts) < 6 {
		t.Fatalf("the commit came with %d changes in %d parts, want %d in at least 6", len(large.changes), len(large.parts), want)
	}
	for i, part := range large.parts {
		last := i == len(large.parts)-1
		if part.Part != i || part.Last != last || part.ID != large.parts[0].ID || !part.CommittedAt.Equal(large.parts[0].CommittedAt) {
			t.Errorf("part %d: number %d, last %v, transaction %s of %v; want number %d, last %v, %s of %v", i, part.Part, part.Last,
				part.ID, part.CommittedAt, i, last, large.parts[0].ID, large.parts[0].CommittedAt)
		}
		if len(part.Changes) > h.PartRows || len(part.Changes) == 0 {
			t.Errorf("part %d has %d changes, want 1 to %d", i, len(part.Changes), h.PartRows)
		}
		if !last && part.Resume == large.token() {
			t.Errorf("part %d, which is not the last, has the token of the whole commit", i)
		}
	}
	for i, c := range large.changes[:want-1] {
		if got, want := c.After[0].Text(), fmt.Sprint(1000+i); got != want {
			t.Fatalf("change %d is of row %s, want %s", i, got, want)
		}
	}
	if c := large.changes[want-1]; c.Op != cdc.OpDelete {
		t.Errorf("the last change is %s, want a delete", c.Op)
	}
}

var errCrash = errors.New("the test's crash")

// testResumeFromPart crashes behind each part of a commit, and expects the
// commit again as a whole, and nothing of the one before.
func testResumeFromPart(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	first := st.token()
	st.stop()
	r.exec("INSERT INTO stock VALUES (1, 'before', 1)")
	rows := 3 * h.PartRows
	r.exec(insertMany(1000, rows), "DELETE FROM stock WHERE id = 1")
	mark := r.mark()
	for crash := 1; ; crash++ {
		parts := 0
		token := first
		st := tail(t, r.source("stock: sku qty"), first, func(_ context.Context, transaction *cdc.Transaction) error {
			if transaction.Progress() {
				return nil
			}
			if parts == crash+1 { // the commit before has one part
				return errCrash
			}
			parts++
			token = transaction.Resume
			return nil
		})
		if err := st.ended(); !errors.Is(err, errCrash) {
			t.Fatalf("Tail returned %v, want emit's error", err)
		}
		if all := commits(st.all()); len(all) == 2 {
			return // the whole commit was emitted before the crash
		}
		again := tail(t, r.source("stock: sku qty"), token)
		got := again.until(mark)
		again.stop()
		if len(got) != 2 || len(got[0].changes) != rows || render(got[1:])[0] != "delete stock [1]" {
			t.Fatalf("crash behind part %d: got %d commits, the first of %d changes; want the large one whole and the one after it",
				crash, len(got), len(got[0].changes))
		}
	}
}
