package cache

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what the cache does. The engine counts levels and replays.
type metrics struct {
	stale, dropped prometheus.Counter
	scriptSeconds  prometheus.Histogram
}

// newMetrics returns metrics registered with reg, or unregistered ones if reg is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "cache_stale_levels_total",
			Help: "Levels not applied because the cache holds them or newer ones.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "cache_dropped_cells_total",
			Help: "Cells whose numbers were dropped at the end of replays that did not see them.",
		}),
		scriptSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "cache_script_seconds", Help: "Time to run a script, with the way there and back.",
			Buckets: prometheus.ExponentialBucketsRange(1e-4, 10, 31),
		}),
	}
	if reg != nil {
		reg.MustRegister(m.stale, m.dropped, m.scriptSeconds)
	}
	return m
}

const namespace = "tailstock"
