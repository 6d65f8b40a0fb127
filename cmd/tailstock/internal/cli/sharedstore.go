package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/sinks/stockstore"
)

// sharedStore opens the stock store for the first role that needs it. A store
// that is away is those roles' failure, to be retried, and not the daemon's:
// captures go on.
type sharedStore struct {
	cfg          *stockstore.Config
	installation func(context.Context) (string, error)
	log          *slog.Logger
	registry     prometheus.Registerer

	mu    sync.Mutex
	store *stockstore.Store
}

// open returns the store, opened and known to be this installation's.
func (s *sharedStore) open(ctx context.Context) (*stockstore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return s.store, nil
	}
	id, err := s.installation(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the installation's identity: %w", err)
	}
	metrics := prometheus.NewRegistry() // of this attempt, which may fail after they were made
	store, err := stockstore.Open(ctx, s.named(), s.log, metrics)
	if err != nil {
		return nil, err
	}
	if err := store.SetInstallation(ctx, id); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.registry.MustRegister(metrics)
	s.store = store
	return store, nil
}

// named is the configuration with this process's name, for people who look at
// the store.
func (s *sharedStore) named() stockstore.Config {
	cfg := *s.cfg
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	cfg.Worker = fmt.Sprintf("%s/%d", host, os.Getpid())
	return cfg
}

func (s *sharedStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}
