package stockstore_test

import (
	"cmp"
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

// benchRows is how many rows the benchmarks update, each a cell of its own.
const benchRows = 100_000

// BenchmarkApplyPostgres and BenchmarkApplySQLite update random rows of a table
// of 100,000, in batches of so many rows, ten per source commit, on a database
// that waits for its disk. They print rows per second.
func BenchmarkApplyPostgres(b *testing.B) {
	server := testenv.Postgres(b, testenv.Setting("fsync", "on"))
	if err := server.CreateDatabase(b.Context(), "stock"); err != nil {
		b.Fatal(err)
	}
	benchmarkApply(b, stockstore.Config{Postgres: server.DSN("stock")})
}

func BenchmarkApplySQLite(b *testing.B) {
	benchmarkApply(b, stockstore.Config{SQLite: filepath.Join(b.TempDir(), "stock.db")})
}

func benchmarkApply(b *testing.B, cfg stockstore.Config) {
	s, err := stockstore.Open(b.Context(), cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := &benchWriter{store: s, at: inventory.Position{Run: 1}}
	b.Run("load", func(b *testing.B) {
		// Only the first round of the first run inserts; let it be the only one.
		for b.Loop() {
			for first := 0; first < benchRows; first += 5_000 {
				w.apply(b, 5_000, func(i int) int { return first + i })
			}
		}
		b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "rows/s")
	})
	for _, size := range []int{1, 10, 2_000, 5_000} {
		b.Run(fmt.Sprintf("update-%d", size), func(b *testing.B) {
			for b.Loop() {
				w.apply(b, size, func(int) int { return rand.IntN(benchRows) })
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// benchWriter applies batches to a store and plays the relay, which forgets the
// outbox without reading it.
type benchWriter struct {
	store *stockstore.Store
	at    inventory.Position
	// source is "bench" if empty; more says that its log holds more.
	source string
	more   bool
}

// open returns the load of the table, which is empty.
func (w *benchWriter) open() []connector.LogMessage {
	feeds := []inventory.FeedName{{Table: "public.inventory", Mapping: "9f2c51d07a3b8e64"}}
	return []connector.LogMessage{
		{Message: inventory.Message{Position: w.at, LoadStarted: &inventory.LoadStarted{Feeds: feeds, Stores: []string{w.store.ID()}}}},
		{Message: inventory.Message{Position: w.at, LoadCompleted: &inventory.LoadCompleted{Load: w.at}}},
	}
}

func (w *benchWriter) apply(b testing.TB, size int, row func(i int) int) {
	b.Helper()
	source := cmp.Or(w.source, "bench")
	batch := connector.Batch{Source: source, LogID: "log", Expect: w.at, Position: w.at, More: w.more}
	if w.at.Number == 0 {
		batch.Expect = inventory.Position{}
		batch.Messages = w.open()
	}
	var events []inventory.Event
	for i := range size {
		n := row(i)
		c := inventory.Contribution{
			Leg: "stock", SKU: inventory.SKU(fmt.Sprintf("BRK-%06d", n)), Location: inventory.LocationID(fmt.Sprintf("DC%d", n%4)),
		}
		c.Quantities[inventory.OnHand] = inventory.Quantity(rand.IntN(1_000)) * inventory.One
		c.Quantities[inventory.Committed] = inventory.Quantity(rand.IntN(10)) * inventory.One
		events = append(events, inventory.Event{
			Op: cdc.OpUpdate, Table: "public.inventory", Mapping: "9f2c51d07a3b8e64",
			Row: cdc.RowKey(fmt.Sprintf("[%d]", n)), Contributions: []inventory.Contribution{c},
		})
		if len(events) == 10 || i == size-1 {
			batch.Position.Number++
			batch.Messages = append(batch.Messages, connector.LogMessage{Message: inventory.Message{
				Source: source, Position: batch.Position,
				Commits: []inventory.Commit{{
					Transaction: "771123", CommittedAt: time.Now().Truncate(time.Microsecond), Last: true, Events: events,
				}},
			}})
			events = nil
		}
	}
	if _, err := w.store.Apply(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	w.at = batch.Position
}

// BenchmarkRelayPostgres and BenchmarkRelaySQLite read and forget what applies
// of 1, 10 and 2,000 cells list, as a relay does. They print cells per second.
func BenchmarkRelayPostgres(b *testing.B) {
	benchmarkRelay(b, stockstore.Config{Postgres: testenv.Database(b)})
}

func BenchmarkRelaySQLite(b *testing.B) {
	benchmarkRelay(b, stockstore.Config{SQLite: filepath.Join(b.TempDir(), "stock.db")})
}

func benchmarkRelay(b *testing.B, cfg stockstore.Config) {
	s, err := stockstore.Open(b.Context(), cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := &benchWriter{store: s, at: inventory.Position{Run: 1}}
	for _, size := range []int{1, 10, 2_000} {
		b.Run(fmt.Sprintf("cells-%d", size), func(b *testing.B) {
			cells := 0
			for b.Loop() {
				b.StopTimer()
				w.apply(b, size, func(int) int { return rand.IntN(benchRows) })
				b.StartTimer()
				for {
					p, err := s.Pending(b.Context(), 0)
					if err != nil {
						b.Fatal(err)
					}
					if p.Done == nil {
						break
					}
					cells += len(p.Levels)
					if err := s.Published(b.Context(), 0, connector.Place{}, []any{p.Done}); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(cells)/b.Elapsed().Seconds(), "cells/s")
		})
	}
}
