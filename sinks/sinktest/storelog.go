package sinktest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// storeLog writes the log of one source, as a capture would.
type storeLog struct {
	source, id string
	// at is the position of the last message applied, next that of the last made.
	at, next inventory.Position
	commits  int
	// tables are loaded at the beginning of the log.
	tables []inventory.FeedName
}

func newStoreLog(source string) *storeLog {
	return &storeLog{
		source: source, id: "log-" + source, next: inventory.Position{Run: 1_732_000_000_000},
		tables: []inventory.FeedName{{Table: binTable, Mapping: binMapping}},
	}
}

// startTime is the commit time of the first commit of every log.
func startTime() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 123456000, time.UTC) }

func (l *storeLog) message(m inventory.Message) connector.LogMessage {
	m.Source, m.Previous = l.source, l.next
	l.next.Number++
	m.Position = l.next
	return connector.LogMessage{Message: m, Sequence: l.next.Number}
}

// commit makes a message of one commit.
func (l *storeLog) commit(events ...inventory.Event) connector.LogMessage {
	l.commits++
	return l.message(inventory.Message{Commits: []inventory.Commit{{
		Transaction: strconv.Itoa(700 + l.commits),
		CommittedAt: startTime().Add(time.Duration(l.commits) * time.Second),
		Events:      events, Last: true,
	}}})
}

// feeds makes the message that begins a run.
func (l *storeLog) feeds(names ...inventory.FeedName) connector.LogMessage {
	l.next = inventory.Position{Run: l.next.Run + 1}
	if names == nil {
		names = []inventory.FeedName{}
	}
	return l.message(inventory.Message{Feeds: names})
}

// loadStarted makes the message that begins a load.
func (l *storeLog) loadStarted(store string, feeds ...inventory.FeedName) connector.LogMessage {
	return l.message(inventory.Message{LoadStarted: &inventory.LoadStarted{Feeds: feeds, Stores: []string{store}}})
}

// loadCompleted makes the message that ends the load which m began.
func (l *storeLog) loadCompleted(m connector.LogMessage) connector.LogMessage {
	return l.message(inventory.Message{LoadCompleted: &inventory.LoadCompleted{Load: m.Position}})
}

// read makes a message of rows that the load which m began has read.
func (l *storeLog) read(m connector.LogMessage, events ...inventory.Event) connector.LogMessage {
	for i := range events {
		events[i].Op = cdc.OpRead
	}
	out := l.commit(events...)
	out.Commits[0].Load = m.Position
	return out
}

// chunk makes the marker of a chunk that a job has read.
func (l *storeLog) chunk(job string) connector.LogMessage {
	return l.message(inventory.Message{Chunk: &inventory.ChunkMarker{Job: job, Table: binTable}})
}

// gap makes the message that states a gap.
func (l *storeLog) gap() connector.LogMessage {
	return l.message(inventory.Message{SourceGap: &inventory.SourceGap{Reason: "slot_missing"}})
}

// batch makes a batch that follows the last one applied.
func (l *storeLog) batch(messages ...connector.LogMessage) connector.Batch {
	return connector.Batch{
		Source: l.source, LogID: l.id, Expect: l.at,
		Position: messages[len(messages)-1].Position, Messages: messages,
	}
}

// open applies what stands at the beginning of a log: the load of its tables while
// they are empty, in a run of its own.
func (l *storeLog) open(ctx context.Context, s connector.Store) error {
	messages := l.opening(s.ID())
	b := connector.Batch{Source: l.source, LogID: l.id, Position: messages[len(messages)-1].Position, Messages: messages}
	if _, err := s.Apply(ctx, b); err != nil {
		return err
	}
	l.at = b.Position
	return nil
}

// opening makes the messages of open for a store.
func (l *storeLog) opening(store string) []connector.LogMessage {
	early := &storeLog{source: l.source, id: l.id, next: inventory.Position{Run: 1_731_000_000_000}}
	started := early.message(inventory.Message{LoadStarted: &inventory.LoadStarted{Feeds: l.tables, Stores: []string{store}}})
	return []connector.LogMessage{
		started, early.message(inventory.Message{LoadCompleted: &inventory.LoadCompleted{Load: started.Position}}),
	}
}

// try applies messages as one batch, after the opening of the log if they are its first.
func (l *storeLog) try(ctx context.Context, s connector.Store, messages ...connector.LogMessage) (connector.Applied, error) {
	if l.at.IsZero() {
		if err := l.open(ctx, s); err != nil {
			return connector.Applied{}, err
		}
	}
	b := l.batch(messages...)
	applied, err := s.Apply(ctx, b)
	if err == nil {
		l.at = b.Position
	}
	return applied, err
}

// apply applies messages as one batch, which must succeed.
func (l *storeLog) apply(t testing.TB, s connector.Store, messages ...connector.LogMessage) connector.Applied {
	t.Helper()
	applied, err := l.try(t.Context(), s, messages...)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return applied
}

const (
	binTable   = "wms.bin_stock"
	orderTable = "wms.orders"
	binMapping = inventory.MappingID("9f2c51d07a3b8e64")
	// otherMapping is another mapping of the same tables.
	otherMapping = inventory.MappingID("0123456789abcdef")
)

// event makes a good event of the bin table.
func event(row int, contributions ...inventory.Contribution) inventory.Event {
	op := cdc.OpUpdate
	if len(contributions) == 0 {
		op = cdc.OpDelete
	}
	return inventory.Event{
		Op: op, Table: binTable, Mapping: binMapping, Row: cdc.RowKey(fmt.Sprintf("[%d]", row)),
		Contributions: contributions,
	}
}

// problem makes an event of a row that could not be mapped.
func problem(row int, reason string) inventory.Event {
	e := event(row)
	e.Op = cdc.OpUpdate
	e.Problem = &inventory.Problem{Kind: inventory.Rejected, Rule: "contributes[0].on_hand", Reason: reason}
	return e
}

// truncate makes an event that withdraws every row of the bin table.
func truncate() inventory.Event {
	return inventory.Event{Op: cdc.OpTruncate, Table: binTable, Mapping: binMapping}
}

// onHand makes a contribution of whole units on hand.
func onHand(sku, location string, units int64) inventory.Contribution {
	c := inventory.Contribution{Leg: "stock", SKU: inventory.SKU(sku), Location: inventory.LocationID(location)}
	c.Quantities[inventory.OnHand] = inventory.Quantity(units) * inventory.One
	return c
}

func cell(sku, location string) inventory.Cell {
	return inventory.Cell{SKU: inventory.SKU(sku), Location: inventory.LocationID(location)}
}
