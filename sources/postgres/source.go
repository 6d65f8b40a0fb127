package postgres

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
)

// Source follows one database. It implements the engine's Source port.
type Source struct {
	cfg     Config
	wanted  cdc.Wanted
	log     *slog.Logger
	metrics *metrics
	reads   lazyConn
	confirm confirmation
}

// New returns a Source of the wanted tables. It connects to nothing yet. reg
// may be nil; sources that share one need it wrapped with a label each.
func New(cfg Config, wanted cdc.Wanted, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("postgres source: %w", err)
	}
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("postgres source: %w", err)
	}
	cfg = cfg.WithDefaults()
	return &Source{cfg: cfg, wanted: wanted, log: log, metrics: metrics, reads: lazyConn{open: cfg.connectReader}}, nil
}

// Close releases the connection kept for Complete, if there is one. Tail holds
// none after it has returned.
func (s *Source) Close() error { return s.reads.close() }
