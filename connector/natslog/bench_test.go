package natslog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

// benchClient is a client of an embedded server with a large log, for benchmarks.
func benchClient(b *testing.B) *natslog.Client {
	b.Helper()
	cfg := natslog.Config{Embedded: &natslog.EmbeddedConfig{Dir: filepath.Join(b.TempDir(), "nats")}, MaxBytes: 8 << 30}
	s, err := natslog.StartEmbedded(b.Context(), cfg, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	c, err := natslog.Connect(b.Context(), cfg, natslog.Options{Embedded: s})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

const benchBody = 25 << 10 // a hundred rows

// appendMany appends n messages with up to 16 in flight, as a capture does.
func appendMany(b *testing.B, r connector.Run, from uint64, n int, body []byte) {
	b.Helper()
	window := make(chan connector.Ack, 16)
	done := make(chan error, 1)
	go func() {
		for k := range window {
			if err := k.Wait(context.WithoutCancel(b.Context())); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	run := r.Start().Run
	e := inventory.Envelope{Body: body, Resume: "0/16B3748"}
	for i := range uint64(n) {
		e.Position = inventory.Position{Run: run, Number: from + i}
		k, err := r.Append(b.Context(), e)
		if err != nil {
			b.Fatal(err)
		}
		window <- k
		e.Previous = e.Position
	}
	close(window)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func benchRun(b *testing.B, c *natslog.Client) connector.Run {
	b.Helper()
	l, err := c.Log("erp", nil)
	if err != nil {
		b.Fatal(err)
	}
	r, err := l.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	return r
}

// BenchmarkAppend syncs every message to disk: the embedded server's own way.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{300, benchBody} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			r := benchRun(b, benchClient(b))
			body := commitBody("1", size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.ResetTimer()
			appendMany(b, r, 0, b.N, body)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkAppendOne is the latency of one message: sent, synced, acknowledged.
func BenchmarkAppendOne(b *testing.B) {
	r := benchRun(b, benchClient(b))
	body := commitBody("1", 500)
	b.ResetTimer()
	for i := range uint64(b.N) {
		appendMany(b, r, i, 1, body)
	}
}

func BenchmarkRead(b *testing.B) {
	c := benchClient(b)
	run := benchRun(b, c)
	const n = 4000
	appendMany(b, run, 0, n, commitBody("1", benchBody))
	r, err := c.OpenLog("erp")(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	b.SetBytes(benchBody)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; {
		if err := r.Seek(b.Context(), inventory.Position{}, 0); err != nil {
			b.Fatal(err)
		}
		for read := 0; read < n && left > 0; {
			m, err := r.Next(b.Context(), 2<<20, 10*time.Second)
			if err != nil {
				b.Fatal(err)
			}
			read += len(m)
			left -= len(m)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkPublishLevels(b *testing.B) {
	c := benchClient(b)
	w, err := c.Levels(nil).Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	if err := w.Begin(b.Context(), 1000); err != nil {
		b.Fatal(err)
	}
	levels := make([]*inventory.Level, 100_000)
	for i := range levels {
		levels[i] = levelOf(cellOf("DC1", fmt.Sprint("SKU-", i)), int64(i))
	}
	var last connector.Ack
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		_, k, err := w.Publish(b.Context(), levels[i%len(levels)])
		if err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 && last != nil {
			if err := last.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		last = k
	}
	if err := last.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "levels/s")
}
