package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/connector/natslog"
	"tailstock/sinks/cache"
	"tailstock/sinks/stockstore"
	"tailstock/sources/mysql"
	"tailstock/sources/postgres"
)

// Defaults of what belongs to no adapter.
const (
	// DefaultTransactionRows is the most rows of a source transaction that are applied as one.
	DefaultTransactionRows = 100_000
	// DefaultKeep is how long applied messages stay in a log.
	DefaultKeep = 24 * time.Hour
)

// maxFile is the largest file that is read, in bytes.
const maxFile = 4 << 20

// Lookup finds an environment variable, as os.LookupEnv does.
type Lookup func(name string) (value string, ok bool)

// Config is what a file says, with defaults filled in and everything checked
// that can be without a server. It prints without secrets in every verb, as
// JSON and in logs; the Configs of the adapters inside it do not.
type Config struct {
	// NATS says where the logs are, and how large they get.
	NATS natslog.Config
	// Store is the stock store. Nil if the file has none: then no role that needs it can run.
	Store *stockstore.Config
	// TransactionRows is the most rows of a source transaction that the store
	// applies as one; a larger one is applied in parts.
	TransactionRows int
	// Cache is the cache for storefronts. Nil if the file has none.
	Cache *cache.Config
	// Sources holds the databases to follow, at least one, in the order of the file.
	Sources []Source
	// Sum holds the kinds of which several sources may contribute to one location. Of
	// the others each location has one source.
	Sum []inventory.Kind
	// HTTP is the endpoint for metrics, health and levels.
	HTTP HTTP
	// Logging says how the daemon logs.
	Logging Logging
}

// Source is a database to follow and what its rows contribute.
type Source struct {
	// Name is 1 to 32 lower-case letters, digits and underscores, beginning with a letter.
	Name string
	// Postgres is how to follow a PostgreSQL database, nil for another kind.
	Postgres *postgres.Config
	// MySQL is how to follow a MySQL or MariaDB server, nil for another kind.
	MySQL *mysql.Config
	// OnReject says what a row does that cannot be mapped.
	OnReject OnReject
	// OnGap says what a source does that cannot deliver what comes next.
	OnGap OnGap
	// Verify says when stores are compared with the source.
	Verify Verify
	// Preset is the preset that the mappings came from, nil if there is none.
	Preset *PresetUse
	// Mappings holds that of each table, at least one: those of the preset, then
	// the others in the order of the file.
	Mappings []*mapping.Mapping
}

// OnGap says what a source does that cannot deliver what comes next, as files spell it.
type OnGap string

// What a source does whose slot was lost, or which is another server than before.
const (
	// OnGapReload states the gap in the log, and loads all tables anew.
	OnGapReload OnGap = "reload"
	// OnGapHalt halts the source until an operator acts.
	OnGapHalt OnGap = "halt"
)

// OnReject says what a row does that cannot be mapped, as files spell it.
type OnReject string

// What a row can do that cannot be mapped.
const (
	// OnRejectKeep puts it into the rejects stream and goes on.
	OnRejectKeep OnReject = "keep"
	// OnRejectStop halts its source.
	OnRejectStop OnReject = "stop"
)

// HTTP is the endpoint for metrics, health and levels.
type HTTP struct {
	// Listen is its address, as host:port. Empty means that there is none.
	Listen string
}

// Logging says how the daemon logs.
type Logging struct {
	// Level is the least that is logged. Defaults to info.
	Level slog.Level
	// Format is FormatText or FormatJSON. Defaults to text.
	Format string
}

// Formats of log lines.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// Load reads the file at path. lookup finds the variables that the file names;
// nil means that there are none. Paths in the file that are not absolute are
// taken from the file's folder. The error is Errors and holds every problem.
func Load(path string, lookup Lookup) (*Config, error) {
	text, err := readBounded(path, maxFile)
	if err != nil {
		return nil, Errors{{File: path, Reason: fmt.Sprintf("read the file: %v", err)}}
	}
	return Parse(path, text, lookup)
}

// Parse is Load for text that was read from the file called name. It still
// reads the files of secrets that text names.
func Parse(name string, text []byte, lookup Lookup) (*Config, error) {
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	root, errs := readTree(name, "", text)
	if root == nil {
		return nil, errs
	}
	d := newDecoder(name, lookup)
	d.errs = errs
	c := &Config{
		NATS:            natslog.Config{Keep: DefaultKeep, MaxBytes: natslog.DefaultMaxBytes, RejectsMaxBytes: natslog.DefaultRejectsMaxBytes},
		TransactionRows: DefaultTransactionRows,
		Logging:         Logging{Format: FormatText},
	}
	d.decode(d.shape(c), root, "", start())
	if !d.failed[""] {
		d.finish(c)
	}
	if len(d.errs) > 0 {
		d.errs.sort(name)
		return nil, d.errs
	}
	return c, nil
}

// readBounded reads a regular file of at most limit bytes. Its errors name
// neither the path nor the content.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, cause(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return text, nil
}

// cause returns err without the path that it is about.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
