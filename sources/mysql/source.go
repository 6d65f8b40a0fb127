package mysql

import (
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// Source follows one server and reads its tables beside that. It implements the
// engine's Source port.
type Source struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	// db is the pool of Complete and of what Tail asks the catalog.
	db        *sql.DB
	delivered delivered
	nudge     nudge
	tables    tailing.TableVersions
	ring      ring
	// reads is what chunks need.
	reads chunkReads
	// cascades knows what foreign keys do to captured tables unlogged.
	cascades cascades

	mu     sync.Mutex
	wanted cdc.Wanted
}

// New returns a Source of the wanted tables. It connects to nothing yet. reg may
// be nil; sources that share one need it wrapped with a label each.
func New(cfg Config, wanted cdc.Wanted, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("mysql source: %w", err)
	}
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("mysql source: %w", err)
	}
	cfg = cfg.WithDefaults()
	db, err := cfg.open()
	if err != nil {
		return nil, fmt.Errorf("mysql source: %w", err)
	}
	// Complete and the catalog each use one session, now and then.
	db.SetMaxIdleConns(1)
	return &Source{cfg: cfg, log: log, metrics: metrics, db: db, wanted: wanted}, nil
}

// Want sets the tables and columns of the next Tail, of Check, Sample and of
// every Read that begins from now on. Until it is called they are those of New.
// It is called while no Tail runs, and may be called while a Read does.
func (s *Source) Want(w cdc.Wanted) {
	s.mu.Lock()
	s.wanted = w
	s.mu.Unlock()
	s.reads.forget()
}

func (s *Source) wantedNow() cdc.Wanted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// Confirm does nothing: a MySQL server keeps its log by its own rules, whatever
// its replicas have read.
func (s *Source) Confirm(cdc.Resume) {}

// Close releases the connections kept for Complete and Read. Tail holds none after
// it has returned.
func (s *Source) Close() error {
	err := s.reads.close()
	if closed := s.db.Close(); err == nil {
		err = closed
	}
	return err
}

// wants reports whether a column of a table is to be captured.
func wants(w cdc.Wanted, d *description, column string) bool {
	return slices.Contains(w[d.name], column) || slices.Contains(d.key, column)
}

// tableOf returns the version of the table that has the wanted columns of d and
// its key, in the order of the source.
func (s *Source) tableOf(w cdc.Wanted, d *description) *cdc.Table {
	table := &cdc.Table{Name: d.name}
	for i := range d.columns {
		if c := &d.columns[i]; wants(w, d, c.name) {
			table.Columns = append(table.Columns, c.cdcColumn())
		}
	}
	for _, k := range d.key {
		table.Key = append(table.Key, table.Column(k))
	}
	return s.tables.Version(table)
}
