package stockstore

import (
	"testing"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// TestLookAhead guesses the rows of small batches of plain commits, and none where
// a batch changes feeds or asks for something else first.
func TestLookAhead(t *testing.T) {
	t.Parallel()
	name := inventory.FeedName{Table: "wms.bin", Mapping: "0123456789abcdef"}
	event := func(op cdc.Op, row string) inventory.Event {
		return inventory.Event{Op: op, Table: name.Table, Mapping: name.Mapping, Row: cdc.RowKey(row)}
	}
	message := func(events ...inventory.Event) connector.LogMessage {
		m := connector.LogMessage{}
		m.Commits = []inventory.Commit{{Events: events}}
		return m
	}
	s := &Store{}
	batch := func(m ...connector.LogMessage) connector.Batch {
		return connector.Batch{Source: "wms", Messages: m}
	}
	plain := message(event(cdc.OpInsert, "[2]"), event(cdc.OpUpdate, "[1]"), event(cdc.OpUpdate, "[2]"))
	if s.lookAhead(t.Context(), batch(plain)) != nil {
		t.Error("guessed without knowing a feed")
	}
	s.lastFeeds.note("wms", []*feed{{FeedName: name, id: 7, state: connector.FeedActive}})
	a := s.lookAhead(t.Context(), batch(plain))
	if a == nil || len(a.rows) != 2 || a.rows[0].rowRef != (rowRef{7, "[1]"}) || a.rows[1].rowRef != (rowRef{7, "[2]"}) {
		t.Fatalf("rows to read ahead are %+v", a)
	}
	if a.answers(a.rows) {
		t.Error("answers before anything was asked")
	}
	a.asked = true
	if !a.answers(a.rows) || a.answers(a.rows[:1]) || a.answers([]rowChange{{rowRef: rowRef{8, "[1]"}}, {rowRef: rowRef{7, "[2]"}}}) {
		t.Error("must answer for just the rows that were read")
	}
	compare := message(event(cdc.OpRead, "[1]"))
	compare.Commits[0].Compare = "c"
	large := make([]inventory.Event, aheadEvents+1)
	for i := range large {
		large[i] = event(cdc.OpUpdate, "[1]")
	}
	problem := event(cdc.OpUpdate, "[3]")
	problem.Problem = &inventory.Problem{}
	for what, b := range map[string]connector.Batch{
		"truncate": batch(message(event(cdc.OpTruncate, ""))),
		"compare":  batch(compare),
		"control":  batch(plain, connector.LogMessage{}),
		"large":    batch(message(large...)),
		"nothing":  batch(message()),
	} {
		if s.lookAhead(t.Context(), b) != nil {
			t.Errorf("guessed for a batch with %s", what)
		}
	}
	if a := s.lookAhead(t.Context(), batch(message(problem))); a == nil || len(a.rows) != 0 {
		t.Errorf("a row with a problem needs nothing that is stored, but reads %+v", a)
	}
	for _, f := range s.lastFeeds.of("wms") {
		if f.problems {
			t.Error("a guess changed what is remembered of a feed")
		}
	}
}
