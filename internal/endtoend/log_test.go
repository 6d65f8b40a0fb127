package endtoend_test

import (
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// auditLog reads the source's log from its beginning: an unbroken chain, in which
// every transaction is once, and each of those that committed is.
func (s *system) auditLog(t *testing.T, committed []string) {
	t.Helper()
	times := make(map[string]int)
	var at inventory.Position
	part := 0 // of the commit under way
	for _, m := range s.readLog(t) {
		if m.Previous != at || m.Position.Compare(at) <= 0 {
			t.Fatalf("the log goes on with %s, which follows %s, after %s", m.Position, m.Previous, at)
		}
		if m.Position.Run != at.Run {
			part = 0 // what another run left unfinished is void
		}
		at = m.Position
		for i := range m.Commits {
			c := &m.Commits[i]
			if c.At == "" {
				continue // rows that were read, not streamed
			}
			if c.Part != part {
				t.Fatalf("message %s has part %d of transaction %s, want %d", at, c.Part, c.Transaction, part)
			}
			if part++; c.Last {
				part = 0
				times[c.Transaction]++
			}
		}
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("the log has transaction %s %d times", id, n)
		}
	}
	for _, id := range committed {
		if times[id] == 0 {
			t.Errorf("the log lacks transaction %s", id)
		}
	}
	t.Logf("the log has %d transactions, %d of them known to the workload, up to %s", len(times), len(committed), at)
}

// readLog reads all that the source's log has now.
func (s *system) readLog(t *testing.T) []connector.LogMessage {
	t.Helper()
	ctx := t.Context()
	c, err := s.client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.OpenLog("erp")(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tail, err := r.Tail(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Seek(ctx, inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	var out []connector.LogMessage
	for len(out) == 0 || out[len(out)-1].Position.Compare(tail.Position) < 0 {
		messages, err := r.Next(ctx, 1<<20, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) == 0 {
			t.Fatalf("the log ends before its last message %s", tail.Position)
		}
		out = append(out, messages...)
	}
	return out
}
