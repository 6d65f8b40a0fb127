package postgres

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
	retained     prometheus.Gauge
	unconfirmed  prometheus.Gauge
	safe         prometheus.Gauge
	unseen       prometheus.Gauge
	gulps        prometheus.Counter
}

// newMetrics makes the metrics and registers them with reg, which may be nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		transactions: counter("transactions_total", "Transactions with wanted changes that were emitted."),
		changes:      counter("changes_total", "Wanted row changes that were emitted."),
		received:     counter("received_bytes_total", "Bytes received from the replication connection."),
		lag: gauge("decoding_lag_seconds",
			"Time between the last decoded commit and the moment the server sent it, by the server's clock."),
		retained: gauge("retained_wal_bytes", "Write-ahead log that the slot keeps the server from removing."),
		unconfirmed: gauge("unconfirmed_wal_bytes",
			"Write-ahead log behind the slot's confirmed position."),
		safe: gauge("safe_wal_bytes",
			"Write-ahead log that the server may still write before it invalidates the slot; infinite without a limit."),
		unseen: gauge("invisible_transactions",
			"Transactions that were streamed and are not known to be visible yet."),
		gulps: counter("gulps_total", "Reads that waited for the socket to fill, because the reader was behind."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.transactions, m.changes, m.received, m.lag,
		m.retained, m.unconfirmed, m.safe, m.unseen, m.gulps,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "tailstock", Subsystem: "postgres", Name: name, Help: help,
	})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "tailstock", Subsystem: "postgres", Name: name, Help: help,
	})
}
