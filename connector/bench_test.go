package connector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// nullLog acknowledges everything at once, and keeps nothing but counts.
type nullLog struct {
	scriptLog
	messages, bytes int
	appended        func(inventory.Envelope)
}

func (l *nullLog) Begin(context.Context) (connector.Run, error) { return l, nil }

type acked struct{}

func (acked) Wait(context.Context) error { return nil }

func (l *nullLog) Append(_ context.Context, e inventory.Envelope) (connector.Ack, error) {
	l.messages++
	l.bytes += len(e.Body)
	if l.appended != nil {
		l.appended(e)
	}
	return acked{}, nil
}

// feedSource emits what feed gives until it gives nothing.
type feedSource struct {
	scriptSource
	feed func() *cdc.Transaction
}

var errFed = errors.New("nothing more to emit")

func (s *feedSource) Tail(ctx context.Context, _ cdc.Resume, emit cdc.EmitFunc) error {
	for t := s.feed(); t != nil; t = s.feed() {
		if err := emit(ctx, t); err != nil {
			return err
		}
	}
	return errFed
}
func (*feedSource) Confirm(cdc.Resume) {}

func (*feedSource) Complete(context.Context, *cdc.Transaction, []*cdc.NetChange) error { return nil }

// feed runs a capture over what feed gives.
func feed(tb testing.TB, log *nullLog, feed func() *cdc.Transaction) {
	tb.Helper()
	err := connector.NewCapture(connector.CaptureConfig{
		Source: "erp", Adapter: &feedSource{feed: feed}, Log: log, Lease: freeLease{}, Mappings: []*mapping.Mapping{binMapping(tb)},
		Metrics: connector.NewMetrics(nil), Logger: slog.New(slog.DiscardHandler),
	}).Run(tb.Context(), connector.Progress{})
	if !errors.Is(err, errFed) {
		tb.Fatal(err)
	}
}

// rowsOf makes the changes of a transaction of n rows.
func rowsOf(table *cdc.Table, from, n int) []cdc.Change {
	changes := make([]cdc.Change, n)
	for i := range changes {
		row := simRow{sku: "BRK-" + strconv.Itoa((from+i)%5_000), location: "DC" + strconv.Itoa(i%9), qty: i % 100}
		changes[i] = cdc.Change{Op: cdc.OpUpdate, Table: table, After: row.image(from + i)}
	}
	return changes
}

// BenchmarkCapture measures the road of a row from a decoded transaction to an
// encoded message: netting, mapping, encoding and packing.
func BenchmarkCapture(b *testing.B) {
	for _, rows := range []int{1, 10, 5_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			table := binTable()
			t := &cdc.Transaction{ID: "771", At: "0/30003C0", CommittedAt: time.Now(), Changes: rowsOf(table, 0, rows), Last: true, Resume: "after"}
			b.ReportAllocs()
			left := b.N
			log := &nullLog{}
			b.ResetTimer()
			feed(b, log, func() *cdc.Transaction {
				if left <= 0 {
					return nil
				}
				left -= rows
				return t
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(b.N)/float64(log.messages), "rows/message")
		})
	}
}

// BenchmarkDeliver measures the road of an event from an encoded message to the
// batch that the store is given.
func BenchmarkDeliver(b *testing.B) {
	const rows = 1_000
	var envelope inventory.Envelope
	sent := false
	feed(b, &nullLog{appended: func(e inventory.Envelope) {
		envelope = inventory.Envelope{Body: append([]byte(nil), e.Body...)}
	}}, func() *cdc.Transaction {
		if sent {
			return nil
		}
		sent = true
		return &cdc.Transaction{ID: "771", CommittedAt: time.Now(), Changes: rowsOf(binTable(), 0, rows), Last: true, Resume: "after"}
	})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	store := &countingStore{want: (b.N + rows - 1) / rows, done: cancel}
	log := &loopLog{envelope: envelope, left: store.want}
	b.ReportAllocs()
	b.ResetTimer()
	err := connector.NewDeliver(connector.DeliverConfig{
		Source: "erp", Open: func(context.Context) (connector.LogReader, error) { return log, nil }, Store: store, Reports: store,
		Metrics: connector.NewMetrics(nil), Logger: slog.New(slog.DiscardHandler),
	}).Run(ctx, connector.Progress{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(store.want*rows)/b.Elapsed().Seconds(), "rows/s")
}

// loopLog gives one message again and again, each time at the next position.
type loopLog struct {
	envelope inventory.Envelope
	left     int
	next     uint64
	edit     func(*inventory.Message)
}

func (l *loopLog) Seek(context.Context, inventory.Position, uint64) error { return nil }

func (l *loopLog) Next(ctx context.Context, limit int, _ time.Duration) ([]connector.LogMessage, error) {
	if l.left == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var out []connector.LogMessage
	for size := 0; size < limit && l.left > 0; l.left-- {
		l.envelope.Previous = l.envelope.Position
		l.next++
		l.envelope.Position = inventory.Position{Run: 1, Number: l.next}
		m, err := inventory.Decode(l.envelope)
		if err != nil {
			return nil, err
		}
		if l.edit != nil {
			l.edit(&m)
		}
		out = append(out, connector.LogMessage{Message: m, Sequence: l.next, Size: len(l.envelope.Body)})
		size += len(l.envelope.Body)
	}
	return out, nil
}

func (l *loopLog) Tail(context.Context) (connector.LogTail, error) {
	return connector.LogTail{ID: "log", Position: inventory.Position{Run: 1, Number: l.next}}, nil
}
func (l *loopLog) Close() error { return nil }

// countingStore takes batches and keeps nothing of them.
type countingStore struct {
	tapeStore
	want, got int
	done      func()
	applying  func()
}

func (s *countingStore) Apply(_ context.Context, b connector.Batch) (connector.Applied, error) {
	if s.applying != nil {
		s.applying()
	}
	if s.got += len(b.Messages); s.got >= s.want {
		s.done()
	}
	return connector.Applied{}, nil
}

// heap is how many bytes are live.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A commit of any size passes in the same memory: parts of it are all that is held.
//
//nolint:paralleltest // measures the heap of the process
func TestMemoryOfLargeCommit(t *testing.T) {
	const parts, rows = 100, 4_000
	table := binTable()
	before, most := heap(), uint64(0)
	part, messages := 0, 0
	log := &nullLog{}
	log.appended = func(inventory.Envelope) {
		if messages++; messages%50 == 0 {
			most = max(most, heap())
		}
	}
	feed(t, log, func() *cdc.Transaction {
		if part == parts {
			return nil
		}
		part++
		return &cdc.Transaction{
			ID: "huge", CommittedAt: time.Now(), Part: part - 1, Last: part == parts,
			Changes: rowsOf(table, part*rows, rows), Resume: "before",
		}
	})
	if log.messages < parts*rows/2_000 {
		t.Fatalf("%d messages", log.messages)
	}
	if most-before > 24<<20 {
		t.Errorf("capture held %d MiB for a commit of %d rows", (most-before)>>20, parts*rows)
	}
}

// What waits in the log, and parts up to the size of a transaction, are all that
// delivery holds.
//
//nolint:paralleltest // measures the heap of the process
func TestMemoryOfDelivery(t *testing.T) {
	const rows = 2_000
	var envelope inventory.Envelope
	sent := false
	feed(t, &nullLog{appended: func(e inventory.Envelope) {
		envelope = inventory.Envelope{Body: append([]byte(nil), e.Body...)}
	}}, func() *cdc.Transaction {
		if sent {
			return nil
		}
		sent = true
		return &cdc.Transaction{ID: "t", CommittedAt: time.Now(), Changes: rowsOf(binTable(), 0, rows), Last: true, Resume: "after"}
	})
	for name, whole := range map[string]bool{"backlog": true, "one commit": false} {
		ctx, cancel := context.WithCancel(t.Context())
		before, most, applies := heap(), uint64(0), 0
		store := &countingStore{want: 400, done: cancel}
		store.applying = func() {
			if applies++; applies%20 == 1 {
				most = max(most, heap())
			}
		}
		log := &loopLog{envelope: envelope, left: store.want, edit: func(m *inventory.Message) {
			m.Commits[0].Part, m.Commits[0].Last = 0, whole
		}}
		err := connector.NewDeliver(connector.DeliverConfig{
			Source: "erp", Open: func(context.Context) (connector.LogReader, error) { return log, nil }, Store: store, Reports: store,
			Metrics: connector.NewMetrics(nil), Logger: slog.New(slog.DiscardHandler),
		}).Run(ctx, connector.Progress{})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if most == 0 || most-before > 128<<20 {
			t.Errorf("%s of %d rows: delivery held %d MiB", name, store.want*rows, (most-before)>>20)
		}
		t.Logf("%s of %d rows: %d MiB, %d batches", name, store.want*rows, (most-before)>>20, applies)
	}
}
