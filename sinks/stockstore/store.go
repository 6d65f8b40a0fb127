package stockstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
)

// Store is an open stock store. Its methods are safe for concurrent use, but
// for what connector.Store and connector.RelayStore say of themselves.
type Store struct {
	db      database
	log     *slog.Logger
	metrics *metrics
	id      string
	worker  string
	now     func() time.Time
	// sender tells the notifications of this process from those of others.
	sender string

	wake      chan struct{}
	relay     relay
	backlog   backlog
	lastFeeds lastFeeds
	sweep     sweeper
	// censuses are of the verifications under way.
	censuses censuses
	// loads remember what feeds that are being loaded do not hold.
	loads loadMemories

	notify chan struct{}
	stop   context.CancelFunc
	tasks  sync.WaitGroup
}

var (
	_ connector.Store      = (*Store)(nil)
	_ connector.RelayStore = (*Store)(nil)
)

// Open connects to the store of cfg and migrates it to this program's schema,
// under a lock, so that several processes may do it at once. It fails with
// *SchemaError if the store's schema is newer or, with cfg.Existing, any other,
// and with ErrNoStore if there is none then. ctx bounds opening alone. log and
// reg may be nil. The Store must be closed.
func Open(ctx context.Context, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("stock store: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{
		db: db, log: log, worker: cfg.Worker, now: cfg.Now, sender: newID(),
		wake: make(chan struct{}, 1), notify: make(chan struct{}, 1),
	}
	if err := s.readID(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	s.metrics = newMetrics(reg) // once nothing can fail, so that a later attempt can register its own
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.tasks.Go(func() { db.listen(background, s.channel(), s.wakeRelay) })
	s.tasks.Go(func() { s.notifyOthers(background) })
	if reg != nil {
		s.tasks.Go(func() { s.countProblems(background) })
	}
	return s, nil
}

// openDatabase connects and migrates.
func openDatabase(ctx context.Context, cfg Config, log *slog.Logger) (database, error) {
	var db database
	var err error
	if cfg.SQLite != "" && cfg.Existing {
		// SQLite would make the file.
		if _, err := os.Stat(cfg.SQLite); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open stock store %s: %w", cfg.SQLite, ErrNoStore)
		}
	}
	if cfg.SQLite != "" {
		db, err = openSQLite(ctx, cfg)
	} else {
		db, err = openPostgres(ctx, cfg, log)
	}
	if err != nil {
		return nil, fmt.Errorf("open stock store: %w", err)
	}
	if cfg.Existing {
		if err := requireSchema(ctx, db); err != nil {
			return nil, errors.Join(fmt.Errorf("open stock store: %w", err), db.close())
		}
		return db, nil
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate stock store: %w", err), db.close())
	}
	return db, nil
}

// Close stops what runs in the background and closes all connections. No other
// method may run or be called afterwards.
func (s *Store) Close() error {
	s.stop()
	s.tasks.Wait()
	return s.db.close()
}

func (s *Store) readID(ctx context.Context) error {
	return s.db.read(ctx, func(r reader) error {
		return r.query(ctx, func(scan scanFunc) error { return scan(&s.id) }, `select store from store_meta`)
	})
}

// newID returns a random identity.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand.Read
	return hex.EncodeToString(b[:])
}

// ID implements connector.Store: 16 hexadecimal digits, made with the store.
func (s *Store) ID() string { return s.id }

// SetInstallation says to which installation the store belongs, if it belongs to
// none yet. It fails with *InstallationError if it belongs to another.
func (s *Store) SetInstallation(ctx context.Context, id string) error {
	held := ""
	err := s.db.write(ctx, durable, func(tx transaction) error {
		_, err := tx.exec(ctx, `update store_meta set installation = $1 where installation = ''`, id)
		if err != nil {
			return err
		}
		return tx.query(ctx, func(scan scanFunc) error { return scan(&held) }, `select installation from store_meta`)
	})
	if err != nil {
		return fmt.Errorf("set installation of stock store: %w", err)
	}
	if held != id {
		return &InstallationError{Held: held, Offered: id}
	}
	return nil
}

// SourceState implements connector.Store. It fails with *SchemaError if a newer
// version has migrated the store. Feeds that do not count any more are left out.
func (s *Store) SourceState(ctx context.Context, source string) (connector.SourceState, error) {
	var state connector.SourceState
	err := s.db.read(ctx, func(r reader) error {
		if err := checkSchema(ctx, r); err != nil {
			return err
		}
		// The position is read before the feeds: feeds may be newer, never older.
		err := r.query(ctx, func(scan scanFunc) error {
			return scan(&state.LogID, &state.Position.Run, &state.Position.Number)
		}, `select log_id, run, number from source_state where source = $1`, source)
		if err != nil {
			return err
		}
		return r.query(ctx, func(scan scanFunc) error {
			var f connector.FeedReport
			if err := scan(&f.Table, (*string)(&f.Mapping), (*string)(&f.State)); err != nil {
				return err
			}
			state.Feeds = append(state.Feeds, f)
			return nil
		}, `select table_name, mapping, state from feed where source = $1 and state <> 'dropped' order by id`, source)
	})
	if err != nil {
		return connector.SourceState{}, fmt.Errorf("read state of source %s: %w", source, err)
	}
	return state, nil
}

// readFeeds reads the feeds of a source, inside the transaction that locked it.
func readFeeds(ctx context.Context, r reader, source string) ([]*feed, error) {
	var feeds []*feed
	err := r.query(ctx, func(scan scanFunc) error {
		f, err := scanFeed(scan)
		feeds = append(feeds, f)
		return err
	}, selectFeeds, source)
	return feeds, err
}

// selectFeeds reads the feeds of source $1 that are not dropped.
const selectFeeds = `select id, table_name, mapping, state, load, exists (select 1 from problem p where p.feed = f.id)
	from feed f where source = $1 and state <> 'dropped' order by id`

func scanFeed(scan scanFunc) (*feed, error) {
	f := new(feed)
	err := scan(&f.id, &f.Table, (*string)(&f.Mapping), (*string)(&f.state), &f.load, &f.problems)
	return f, err
}
