package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// Source follows one database and reads its tables beside that. It implements
// the engine's Source port.
type Source struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	// reads is the connection of Complete, chunks are those of Read.
	reads   lazyConn
	chunks  readPool
	confirm confirmation
	nudge   nudge
	plans   chunkPlans
	tables  tailing.TableVersions
	// spoilt says that the slot leads to changes that it cannot deliver.
	spoilt atomic.Bool
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
	s := &Source{
		cfg: cfg, log: log, metrics: metrics,
		reads:  lazyConn{open: func(ctx context.Context) (*pgx.Conn, error) { return cfg.connectReader(ctx) }},
		chunks: readPool{open: cfg.connectChunks},
	}
	s.plans.want(wanted)
	return s, nil
}

// Want sets the tables and columns of the next Tail, of Check, Sample and of
// every Read that begins from now on. Until it is called they are those of New.
// It is called while no Tail runs, and may be called while a Read does.
func (s *Source) Want(w cdc.Wanted) { s.plans.want(w) }

// Close releases the connections kept for Complete and Read. Those of a Read
// that still runs are released when it returns. Tail holds none after it has returned.
func (s *Source) Close() error {
	s.chunks.close()
	return s.reads.close()
}
