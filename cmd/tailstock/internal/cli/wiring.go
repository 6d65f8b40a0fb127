package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/sinks/cache"
	"tailstock/sinks/stockstore"
	"tailstock/sources/mysql"
	"tailstock/sources/postgres"
)

// load reads the configuration.
func (a *app) load() (*config.Config, error) {
	cfg, err := config.Load(a.config, a.Lookup)
	if err != nil {
		return nil, &configError{err}
	}
	return cfg, nil
}

// withNATS runs f with a client of the configured NATS server, acting as an
// operator where the server is the embedded one of a running daemon.
func (a *app) withNATS(ctx context.Context, f func(context.Context, *natslog.Client) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	c, err := natslog.Connect(ctx, cfg.NATS, natslog.Options{Role: natslog.RoleOperator, Name: "tailstock command"})
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c)
}

// withStore runs f with the configured stock store, which must be there.
func (a *app) withStore(ctx context.Context, f func(context.Context, *stockstore.Store) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if cfg.Store == nil {
		return missing("store", "commands that read the stock store need it")
	}
	c := *cfg.Store
	c.Existing = true
	s, err := stockstore.Open(ctx, c, nil, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(ctx, s)
}

// withCache runs f with the configured cache.
func (a *app) withCache(ctx context.Context, f func(context.Context, *cache.Cache) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if cfg.Cache == nil {
		return missing("cache", "there is no cache to work on")
	}
	c, err := cache.New(*cfg.Cache, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(ctx, c)
}

// missing says that the configuration lacks a section that a command needs.
func missing(section, why string) error {
	return &configError{fmt.Errorf("the configuration has no section %q: %s", section, why)}
}

// adapter is a source: for the engine, and for commands that look at it.
type adapter interface {
	connector.Source
	examined
	io.Closer
}

// examined is what commands that look at a source need.
type examined interface {
	// Check returns what the source needs from its server, and how that stands.
	Check(ctx context.Context) []cdc.Finding
	// Describe returns a table with all of its columns.
	Describe(ctx context.Context, table cdc.TableName) (*cdc.Table, error)
	// Sample reads at most n rows of a captured table.
	Sample(ctx context.Context, table cdc.TableName, n int) (*cdc.Table, []cdc.Row, error)
	// SampleRows reads the rows of a captured table that have one of the keys.
	SampleRows(ctx context.Context, table cdc.TableName, keys []backfill.Key) (*cdc.Table, []cdc.Row, error)
}

// lookedInto is a source into whose tables mappings may look.
type lookedInto interface {
	// SampleKeys reads rows of a table of which some columns, the key if there are none,
	// have one of keys: as many as tell what the keys name.
	SampleKeys(ctx context.Context, table cdc.TableName, columns []string, keys []cdc.Row) (*cdc.Table, []cdc.Row, error)
	// CheckIndex says whether rows can be found by columns that refer to others.
	CheckIndex(ctx context.Context, table cdc.TableName, columns []string) (cdc.Finding, error)
}

// sourceOf makes the adapter of a configured source. It connects to nothing.
func sourceOf(s *config.Source, log *slog.Logger, reg prometheus.Registerer) (adapter, error) {
	wanted := connector.WantedOf(s.Mappings)
	if reg != nil {
		reg = prometheus.WrapRegistererWith(prometheus.Labels{"source": s.Name}, reg)
	}
	source, err := adapterOf(s, wanted, log, reg)
	if err != nil {
		return nil, &configError{fmt.Errorf("source %s: %w", s.Name, err)}
	}
	return source, nil
}

func adapterOf(s *config.Source, wanted cdc.Wanted, log *slog.Logger, reg prometheus.Registerer) (adapter, error) {
	if s.MySQL != nil {
		cfg := *s.MySQL
		cfg.Lookups = lookupTables(s.Mappings)
		return mysql.New(cfg, wanted, log, reg)
	}
	return postgres.New(*s.Postgres, wanted, log, reg)
}

// chosen returns the configured sources, or the one that is named.
func chosen(cfg *config.Config, name string) ([]config.Source, error) {
	if name == "" {
		return cfg.Sources, nil
	}
	for i := range cfg.Sources {
		if cfg.Sources[i].Name == name {
			return cfg.Sources[i : i+1], nil
		}
	}
	return nil, &usageError{fmt.Errorf("there is no source %q in the configuration", name)}
}
