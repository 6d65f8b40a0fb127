package stockstore

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
)

// metrics counts what the store does, per source where there is one.
type metrics struct {
	batches, events, contributions, cells *prometheus.CounterVec
	applySeconds, eventRate, latency      *prometheus.HistogramVec
	swept                                 prometheus.Counter
	elapses                               *prometheus.CounterVec
	problems                              *prometheus.GaugeVec
}

// newMetrics returns metrics registered with reg, or unregistered ones if reg is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		batches:       counters("store_batches_total", "Batches applied."),
		events:        counters("store_events_total", "Events applied."),
		contributions: counters("store_contributions_total", "Contributions written or deleted."),
		cells:         counters("store_cells_total", "Cells changed."),
		applySeconds: histograms("store_apply_seconds", "Time to apply a batch durably.",
			prometheus.ExponentialBucketsRange(1e-4, 100, 31)),
		eventRate: histograms("store_apply_events_per_second", "Events of a batch by the time that it took.",
			prometheus.ExponentialBucketsRange(100, 1e6, 25)),
		latency: histograms("store_latency_seconds", "Time from a source commit to its durable application.",
			prometheus.ExponentialBucketsRange(1e-4, 100, 61)),
		elapses: counters("store_elapsed_total", "Contributions that began or ended to count by the clock."),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "store_swept_rows_total", Help: "Rows of dropped feeds deleted.",
		}),
		problems: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "store_problem_rows",
			Help: "Rows that could not be mapped and count as they did before, or not at all: rejected, or unresolved.",
		}, []string{"source", "kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.batches, m.events, m.contributions, m.cells, m.applySeconds, m.eventRate, m.latency, m.swept, m.elapses, m.problems)
	}
	return m
}

const namespace = "tailstock"

func counters(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{"source"})
}

func histograms(name, help string, buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, []string{"source"})
}

// elapsed counts what the passing of time changed.
func (m *metrics) elapsed(source string, e connector.Elapsed) {
	m.elapses.WithLabelValues(source).Add(float64(e.Contributions))
	m.cells.WithLabelValues(source).Add(float64(e.Cells))
}

// applied counts a batch that took d.
func (m *metrics) applied(b connector.Batch, a connector.Applied, d time.Duration) {
	m.batches.WithLabelValues(b.Source).Inc()
	m.events.WithLabelValues(b.Source).Add(float64(a.Events))
	m.contributions.WithLabelValues(b.Source).Add(float64(a.Contributions))
	m.cells.WithLabelValues(b.Source).Add(float64(a.Cells))
	m.applySeconds.WithLabelValues(b.Source).Observe(d.Seconds())
	if a.Events > 0 && d > 0 {
		m.eventRate.WithLabelValues(b.Source).Observe(float64(a.Events) / d.Seconds())
	}
	latency := m.latency.WithLabelValues(b.Source)
	for i := range b.Messages {
		for j := range b.Messages[i].Commits {
			latency.Observe(time.Since(b.Messages[i].Commits[j].CommittedAt).Seconds())
		}
	}
}
