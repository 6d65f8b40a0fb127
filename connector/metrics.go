package connector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Metrics counts what the loops do. One serves a whole daemon; the label tells
// the sources apart.
type Metrics struct {
	events, rejects, appended, appendedBytes *prometheus.CounterVec
	runs, completed, purgeFailures           *prometheus.CounterVec
	appendSeconds, capturedAge               *prometheus.HistogramVec
	logBytes, logLimit, logUnapplied         *prometheus.GaugeVec

	gaps, loads, chunks, chunkRows, chunkFailures, chunksReread *prometheus.CounterVec

	partnoCollisions, unresolved, rederivations, rederivedRows *prometheus.CounterVec
	rederiveSeconds                                            *prometheus.HistogramVec
	lookupRows, lookupBytes                                    *prometheus.GaugeVec

	seeks, rebases, slicedCommits, reportFailures *prometheus.CounterVec
	delivered, contributions, cells               *prometheus.CounterVec
	deliveredAge                                  *prometheus.HistogramVec

	verified verifiedRows

	published, cached, sessions, replays prometheus.Counter
	publishedAge, cachedAge              prometheus.Histogram
}

// latencyBuckets cover 100 microseconds to 100 seconds, each a quarter wider
// than the one before: fine enough to read a p99 off.
func latencyBuckets() []float64 { return prometheus.ExponentialBucketsRange(1e-4, 100, 61) }

// NewMetrics returns metrics registered with reg, or unregistered ones if reg is nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := factory{reg}
	return &Metrics{
		events:        f.counters("capture_events_total", "Events made from row changes."),
		rejects:       f.counters("capture_rejects_total", "Rows that could not be mapped."),
		appended:      f.counters("capture_messages_total", "Messages appended to the source's log."),
		appendedBytes: f.counters("capture_bytes_total", "Bytes of message bodies appended to the source's log."),
		runs:          f.counters("capture_runs_total", "Runs begun."),
		completed:     f.counters("capture_completed_rows_total", "Rows whose unchanged values were read from the source."),
		purgeFailures: f.counters("capture_purge_failures_total", "Times that applied messages could not be purged."),
		appendSeconds: f.histograms("capture_append_seconds", "Time from sending a message to its acknowledgement."),
		capturedAge:   f.histograms("capture_latency_seconds", "Time from a source commit to its durable message."),
		logBytes:      f.gauges("log_bytes", "Size of the source's log."),
		logLimit:      f.gauges("log_limit_bytes", "Largest size that the source's log may reach."),
		logUnapplied:  f.gauges("log_unapplied_messages", "Messages that the slowest registered store has not applied."),

		gaps:          f.counters("capture_gaps_total", "Losses of the source's continuity that were found."),
		loads:         f.counters("load_completed_total", "Loads completed."),
		chunks:        f.counters("load_chunks_total", "Chunks of rows that were read and appended."),
		chunkRows:     f.counters("load_rows_total", "Rows that were read for loads."),
		chunkFailures: f.counters("load_chunk_failures_total", "Chunks that could not be read, and were tried again."),
		chunksReread:  f.counters("load_chunks_reread_total", "Chunks that were read again because the table changed too much meanwhile."),

		partnoCollisions: f.counters("capture_partno_collisions_total", "Part numbers that become one SKU though they are written as different numbers."),
		unresolved:       f.counters("capture_unresolved_total", "Rows that could not be mapped because a row of a lookup was missing."),
		rederivations:    f.counters("capture_rederivations_total", "Commits and parts that named rows to be derived again."),
		rederivedRows:    f.counters("capture_rederived_rows_total", "Rows that were derived again."),
		rederiveSeconds:  f.histograms("capture_rederive_seconds", "Time from the beginning of a round of re-derivations to its durable end."),
		lookupRows:       f.gauges("capture_lookup_rows", "Rows of lookups in memory, as of the beginning of the run."),
		lookupBytes:      f.gauges("capture_lookup_bytes", "Memory that lookups take, as of the beginning of the run."),

		seeks:          f.counters("deliver_seeks_total", "Times that a log was read again from the store's position."),
		rebases:        f.counters("deliver_rebases_total", "Times that a store jumped over messages that its log had lost."),
		slicedCommits:  f.counters("deliver_sliced_commits_total", "Source commits too large to be applied in one transaction."),
		reportFailures: f.counters("deliver_report_failures_total", "Position reports that could not be sent."),
		delivered:      f.counters("deliver_events_total", "Events applied to the store."),
		contributions:  f.counters("deliver_contributions_total", "Contributions changed in the store."),
		cells:          f.counters("deliver_cells_total", "Cells changed in the store."),
		deliveredAge:   f.histograms("deliver_latency_seconds", "Time from a source commit to its durable application."),

		verified: newVerifiedRows(reg),

		published:    f.counter("relay_levels_total", "Levels published."),
		sessions:     f.counter("relay_sessions_total", "Sessions begun."),
		publishedAge: f.histogram("relay_latency_seconds", "Time from a source commit to its published level."),
		cached:       f.counter("cache_levels_total", "Levels applied to the cache."),
		replays:      f.counter("cache_replays_total", "Replays of the levels stream begun."),
		cachedAge:    f.histogram("cache_latency_seconds", "Time from a source commit to its cached level."),
	}
}

// applied counts a batch that the store took.
func (m *Metrics) applied(b Batch, a Applied) {
	m.contributions.WithLabelValues(b.Source).Add(float64(a.Contributions))
	m.cells.WithLabelValues(b.Source).Add(float64(a.Cells))
	age := m.deliveredAge.WithLabelValues(b.Source)
	events := 0
	for i := range b.Messages {
		events += eventCount(&b.Messages[i].Message)
		if c := b.Messages[i].Commits; len(c) > 0 && !wasRead(&c[0]) {
			age.Observe(time.Since(c[0].CommittedAt).Seconds())
		}
	}
	m.delivered.WithLabelValues(b.Source).Add(float64(events))
}

// wasRead reports whether c holds rows that were read: no commit of the source.
func wasRead(c *inventory.Commit) bool {
	return !c.Load.IsZero() || c.Compare != "" || len(c.Events) > 0 && c.Events[0].Op == cdc.OpRead
}

// observeAge records how old the source commit behind a published or cached level
// is. A level that changed before its session began is left out: it may have been
// published before, and is only published again.
func observeAge(age prometheus.Histogram, l *inventory.Level, session uint64) {
	changed := l.UpdatedAt.UnixMilli() >= int64(session) //nolint:gosec // sessions are below 2^53
	if changed && !l.CommittedAt.IsZero() {
		age.Observe(time.Since(l.CommittedAt).Seconds())
	}
}

// factory makes metrics of the namespace and registers them.
type factory struct{ reg prometheus.Registerer }

const metricsNamespace = "tailstock"

func (f factory) counters(name, help string) *prometheus.CounterVec {
	return register(f.reg, prometheus.NewCounterVec(
		prometheus.CounterOpts{Namespace: metricsNamespace, Name: name, Help: help}, []string{"source"}))
}

func (f factory) gauges(name, help string) *prometheus.GaugeVec {
	return register(f.reg, prometheus.NewGaugeVec(
		prometheus.GaugeOpts{Namespace: metricsNamespace, Name: name, Help: help}, []string{"source"}))
}

func (f factory) histograms(name, help string) *prometheus.HistogramVec {
	return register(f.reg, prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: metricsNamespace, Name: name, Help: help, Buckets: latencyBuckets()},
		[]string{"source"}))
}

func (f factory) counter(name, help string) prometheus.Counter {
	return register(f.reg, prometheus.NewCounter(
		prometheus.CounterOpts{Namespace: metricsNamespace, Name: name, Help: help}))
}

func (f factory) histogram(name, help string) prometheus.Histogram {
	return register(f.reg, prometheus.NewHistogram(
		prometheus.HistogramOpts{Namespace: metricsNamespace, Name: name, Help: help, Buckets: latencyBuckets()}))
}

func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg != nil {
		reg.MustRegister(c)
	}
	return c
}
