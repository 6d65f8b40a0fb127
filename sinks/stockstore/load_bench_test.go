package stockstore_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/stockstore"
)

// loadRows is how many rows the benchmarks load in a round.
const loadRows = 200_000

// BenchmarkLoad fills a new feed beside the one that counts, in batches as they
// come from a log, alone and beside a stream, on a database that waits for its
// disk. It prints rows per second.
func BenchmarkLoad(b *testing.B) {
	b.Run("postgres", func(b *testing.B) {
		server := testenv.Postgres(b, testenv.Setting("fsync", "on"), testenv.Setting("max_wal_size", "8GB"))
		if err := server.CreateDatabase(b.Context(), "stock"); err != nil {
			b.Fatal(err)
		}
		benchmarkLoad(b, stockstore.Config{Postgres: server.DSN("stock")})
	})
	b.Run("sqlite", func(b *testing.B) {
		benchmarkLoad(b, stockstore.Config{SQLite: filepath.Join(b.TempDir(), "stock.db")})
	})
}

func benchmarkLoad(b *testing.B, cfg stockstore.Config) {
	s, err := stockstore.Open(b.Context(), cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := &loadWriter{store: s, at: inventory.Position{Run: 1}}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			w.load(b, 10, 0)
		}
		b.ReportMetric(float64(b.N*loadRows)/b.Elapsed().Seconds(), "rows/s")
	})
	// Small batches, each with some changes of the stream.
	b.Run("beside", func(b *testing.B) {
		for b.Loop() {
			w.load(b, 1, 10)
		}
		b.ReportMetric(float64(b.N*loadRows)/b.Elapsed().Seconds(), "rows/s")
	})
}

// loadWriter applies loads.
type loadWriter struct {
	store *stockstore.Store
	at    inventory.Position
}

func (w *loadWriter) next() inventory.Position {
	w.at.Number++
	return w.at
}

func (w *loadWriter) apply(b *testing.B, messages ...connector.LogMessage) {
	b.Helper()
	batch := connector.Batch{Source: "bench", LogID: "log", Expect: messages[0].Previous, Position: w.at, Messages: messages}
	if _, err := w.store.Apply(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
}

// load applies a load of the whole table, its rows in the order of their keys, in
// batches of so many messages and changes from the stream.
func (w *loadWriter) load(b *testing.B, messages, changes int) {
	b.Helper()
	const perMessage = 500
	feed := inventory.FeedName{Table: "public.inventory", Mapping: "9f2c51d07a3b8e64"}
	message := func(m inventory.Message) connector.LogMessage {
		m.Source, m.Previous = "bench", w.at
		if w.at.Number == 0 {
			m.Previous = inventory.Position{}
		}
		m.Position = w.next()
		return connector.LogMessage{Message: m}
	}
	w.apply(b, message(inventory.Message{LoadStarted: &inventory.LoadStarted{
		Feeds: []inventory.FeedName{feed}, Stores: []string{w.store.ID()},
	}}))
	load := w.at
	row := 0
	for row < loadRows {
		var batch []connector.LogMessage
		for range messages {
			events := make([]inventory.Event, perMessage)
			for i := range events {
				row++
				events[i] = loadEvent(feed, cdc.OpRead, row, 1_000)
			}
			batch = append(batch, message(inventory.Message{Commits: []inventory.Commit{{
				Transaction: "load", CommittedAt: time.Now(), Load: load, Events: events, Last: true,
			}}}))
		}
		for range changes {
			e := loadEvent(feed, cdc.OpUpdate, 1+rand.IntN(loadRows), rand.IntN(1_000))
			batch = append(batch, message(inventory.Message{Commits: []inventory.Commit{{
				Transaction: "1", CommittedAt: time.Now(), Events: []inventory.Event{e}, Last: true,
			}}}))
		}
		w.apply(b, batch...)
	}
	w.apply(b, message(inventory.Message{LoadCompleted: &inventory.LoadCompleted{Load: load}}))
}

func loadEvent(feed inventory.FeedName, op cdc.Op, row, units int) inventory.Event {
	c := inventory.Contribution{
		Leg: "0", SKU: inventory.SKU(fmt.Sprintf("BRK-%d", row)), Location: inventory.LocationID(fmt.Sprintf("DC%d", row%3)),
	}
	c.Quantities[inventory.OnHand] = inventory.Quantity(units) * inventory.One
	return inventory.Event{
		Op: op, Table: feed.Table, Mapping: feed.Mapping, Row: cdc.RowKey(fmt.Sprintf("[%d]", row)),
		Contributions: []inventory.Contribution{c},
	}
}
