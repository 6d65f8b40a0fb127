package mysql

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are a source's own figures.
type metrics struct {
	transactions prometheus.Counter
	changes      prometheus.Counter
	received     prometheus.Counter
	lag          prometheus.Gauge
	prepared     prometheus.Gauge
}

// newMetrics makes the metrics and registers them with reg, which may be nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		transactions: counter("transactions_total", "Transactions with wanted changes that were emitted."),
		changes:      counter("changes_total", "Wanted row changes that were emitted."),
		received:     counter("received_bytes_total", "Bytes of binary log events received."),
		lag: gauge("decoding_lag_seconds",
			"Time between the last decoded commit, by the server's clock, and the moment it was received, by ours."),
		prepared: gauge("prepared_transactions", "XA transactions that are prepared and not decided yet."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.transactions, m.changes, m.received, m.lag, m.prepared} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "tailstock", Subsystem: "mysql", Name: name, Help: help,
	})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "tailstock", Subsystem: "mysql", Name: name, Help: help,
	})
}
