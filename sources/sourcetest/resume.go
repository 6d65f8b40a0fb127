package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
)

// testResumeFromEveryToken tails again from each token that was emitted, of
// commits, of parts and of progress, and expects exactly the commits after it.
func testResumeFromEveryToken(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable, "CREATE TABLE other (id INT PRIMARY KEY)")
	st := tail(t, r.source("stock: sku qty"), "").started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)", "UPDATE stock SET id = 2", "INSERT INTO other VALUES (1)")
	r.rollback("DELETE FROM stock")
	r.exec(insertMany(1000, 2*h.PartRows))
	r.commit("UPDATE stock SET qty = 7 WHERE id < 1003", "DELETE FROM stock WHERE id = 2", "INSERT INTO other VALUES (2)")
	r.exec("INSERT INTO other VALUES (3)", "DELETE FROM stock WHERE id < 1002")
	mark := r.mark()
	st.until(mark)
	st.stop()
	emitted := st.all()
	tried := make(map[cdc.Resume]bool)
	for i, transaction := range emitted {
		if tried[transaction.Resume] {
			continue
		}
		tried[transaction.Resume] = true
		want := commitsAfter(emitted, i)
		if len(want) == 0 {
			continue
		}
		again := tail(t, r.source("stock: sku qty"), transaction.Resume)
		got := again.until(mark)
		again.stop()
		if diff := cmp.Diff(render(want[:len(want)-1]), render(got)); diff != "" {
			t.Errorf("from the token of transaction %d of %d (part %d, last %v): commits (-want +got):\n%.2000s",
				i, len(emitted), transaction.Part, transaction.Last, diff)
		}
	}
	if len(tried) < 6 {
		t.Errorf("only %d different tokens were emitted", len(tried))
	}
}

// commitsAfter returns the commits that were not complete when emitted[i] had been emitted.
func commitsAfter(emitted []*cdc.Transaction, i int) []commit {
	all := commits(emitted)
	return all[len(commits(emitted[:i+1])):]
}

// testResumeUnderLoad crashes again and again, at any point, while applications
// write, and expects each commit once and in order in what was kept.
func testResumeUnderLoad(t *testing.T, h Harness) {
	r := newRig(t, h, "CREATE TABLE counter (id INT PRIMARY KEY, n INT)", stockTable)
	r.exec("INSERT INTO counter VALUES (1, 0)")
	st := tail(t, r.source("counter: n", "stock: qty"), "").started()
	token := st.token()
	st.stop()
	const writers, each = 3, 60
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				rows := 1
				if i%20 == 7 {
					rows = 2*h.PartRows + i
				}
				first := (w*each + i) * 10_000
				if err := inTransaction(t.Context(), r.DB, true, insertMany(first, rows), "UPDATE counter SET n = n + 1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kept := keepUntil(t, r, random, token, writers*each)
	group.Wait()
	for i, c := range commits(kept) {
		last := c.changes[len(c.changes)-1]
		if want := fmt.Sprintf("update counter id=1 n=%d", i+1); renderChange(&last) != want {
			t.Fatalf("commit %d ends with %q, want %q", i+1, renderChange(&last), want)
		}
		if len(c.changes) < 2 {
			t.Fatalf("commit %d has %d changes", i+1, len(c.changes))
		}
	}
}

// keepUntil tails from token on with a crash after every few transactions, until
// n commits were kept, and returns what was kept. A crash keeps nothing of the
// transaction that emit was called with.
func keepUntil(t *testing.T, r *rig, random *rand.Rand, token cdc.Resume, n int) []*cdc.Transaction {
	t.Helper()
	var kept []*cdc.Transaction
	whole := 0
	for crashes := 0; whole < n; crashes++ {
		left := 1 + random.IntN(20)
		st := tail(t, r.source("counter: n", "stock: qty"), token, func(_ context.Context, transaction *cdc.Transaction) error {
			if left == 0 {
				return errCrash
			}
			kept = append(kept, transaction)
			token = transaction.Resume
			if transaction.Progress() {
				return nil
			}
			left--
			if transaction.Last {
				whole++
			}
			if whole == n {
				return errCrash
			}
			return nil
		})
		if err := st.ended(); !errors.Is(err, errCrash) {
			t.Fatalf("after %d of %d commits: Tail returned %v, want emit's error", whole, n, err)
		}
		if crashes > 10*n {
			t.Fatalf("%d commits kept after %d crashes, want %d", whole, crashes, n)
		}
	}
	return kept
}
