package sourcetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// testCommitOrder expects the commits of concurrent writers whole and in the
// order in which they were made visible. Each commit counts a counter on, whose
// row lock orders the commits, and writes three rows with the number.
func testCommitOrder(t *testing.T, h Harness) {
	r := newRig(t, h, "CREATE TABLE counter (id INT PRIMARY KEY, n INT)", "CREATE TABLE line (id INT PRIMARY KEY, writer INT)")
	r.exec("INSERT INTO counter VALUES (1, 0)")
	st := tail(t, r.source("counter: n", "line: writer"), "").started()
	const writers, each = 4, 25
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				first := (w*each + i) * 3
				if err := inTransaction(t.Context(), r.DB, true,
					fmt.Sprintf("INSERT INTO line VALUES (%d, %d)", first, w),
					"UPDATE counter SET n = n + 1",
					fmt.Sprintf("INSERT INTO line VALUES (%d, %d), (%d, %d)", first+1, w, first+2, w),
				); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got := st.until(r.mark())
	if len(got) != writers*each {
		t.Fatalf("got %d commits, want %d", len(got), writers*each)
	}
	seen := make(map[string]bool)
	for i, c := range got {
		line := render([]commit{c})[0]
		if len(c.changes) != 4 || !strings.Contains(line, fmt.Sprintf("update counter id=1 n=%d;", i+1)) {
			t.Fatalf("commit %d is %s, want number %d with its three lines", i+1, line, i+1)
		}
		if id := c.parts[0].ID; seen[id] {
			t.Fatalf("two commits have the id %s", id)
		}
		seen[c.parts[0].ID] = true
	}
}
