package stockstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/sinks/stockstore"
)

// testLog writes the log of one source, one event per commit and message.
type testLog struct {
	source string
	at     inventory.Position
}

// testRun is the run of the messages, after the one that loads the table.
const testRun = 1_732_000_000_000

const testMapping = inventory.MappingID("9f2c51d07a3b8e64")

// row makes an event of a row that contributes units on hand of sku at L.
func (l *testLog) row(row int, sku inventory.SKU, units int64) inventory.Event {
	c := inventory.Contribution{Leg: "stock", SKU: sku, Location: "L"}
	c.Quantities[inventory.OnHand] = inventory.Quantity(units) * inventory.One
	return inventory.Event{
		Op: cdc.OpUpdate, Table: "public.bin", Mapping: testMapping,
		Row: cdc.RowKey(fmt.Sprintf("[%d]", row)), Contributions: []inventory.Contribution{c},
	}
}

// batch makes a batch that follows the last one applied, a message per event.
func (l *testLog) batch(events ...inventory.Event) connector.Batch {
	b := connector.Batch{Source: l.source, LogID: "log-" + l.source, Expect: l.at, Position: l.at}
	if b.Position.Run != testRun {
		b.Position = inventory.Position{Run: testRun}
	}
	for _, e := range events {
		previous := b.Position
		b.Position.Number++
		b.Messages = append(b.Messages, connector.LogMessage{Message: inventory.Message{
			Source: l.source, Position: b.Position, Previous: previous,
			Commits: []inventory.Commit{{
				Transaction: fmt.Sprintf("t%d", b.Position.Number), Last: true, Events: []inventory.Event{e},
				CommittedAt: time.Date(2026, 11, 23, 8, 0, int(b.Position.Number%60), 123456000, time.UTC),
			}},
		}})
	}
	return b
}

// open applies the load of the table, which is empty.
func (l *testLog) open(ctx context.Context, s *stockstore.Store) error {
	started, completed := inventory.Position{Run: 1_731_000_000_000}, inventory.Position{Run: 1_731_000_000_000, Number: 1}
	_, err := s.Apply(ctx, connector.Batch{Source: l.source, LogID: "log-" + l.source, Position: completed, Messages: []connector.LogMessage{
		{Message: inventory.Message{Position: started, LoadStarted: &inventory.LoadStarted{
			Feeds: []inventory.FeedName{{Table: "public.bin", Mapping: testMapping}}, Stores: []string{s.ID()},
		}}},
		{Message: inventory.Message{Position: completed, LoadCompleted: &inventory.LoadCompleted{Load: started}}},
	}})
	if err == nil {
		l.at = completed
	}
	return err
}

func (l *testLog) try(ctx context.Context, s *stockstore.Store, events ...inventory.Event) (connector.Applied, error) {
	if l.at.IsZero() {
		if err := l.open(ctx, s); err != nil {
			return connector.Applied{}, err
		}
	}
	b := l.batch(events...)
	applied, err := s.Apply(ctx, b)
	if err == nil {
		l.at = b.Position
	}
	return applied, err
}

func (l *testLog) apply(t testing.TB, s *stockstore.Store, events ...inventory.Event) {
	t.Helper()
	if _, err := l.try(t.Context(), s, events...); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// onHandOf returns the units on hand of a SKU at its one location.
func onHandOf(t testing.TB, s *stockstore.Store, sku inventory.SKU) string {
	t.Helper()
	levels, err := s.Levels(t.Context(), sku)
	if err != nil || len(levels) != 1 {
		t.Fatalf("levels of %s: %v, %v", sku, levels, err)
	}
	return levels[0].Quantities[inventory.OnHand].String()
}
