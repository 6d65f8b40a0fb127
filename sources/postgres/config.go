package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
)

// Defaults of Config.
const (
	WALSenderTimeoutDefault = 10 * time.Second
	StatusIntervalMax       = 10 * time.Second
	ConnectTimeoutDefault   = 10 * time.Second
	PartRowsDefault         = 2_000
	PartBytesDefault        = 1 << 20
	QueueBytesDefault       = 4 << 20
	GulpWaitDefault         = 2 * time.Millisecond
	ApplicationNameDefault  = "tailstock"
)

// Config says which database to follow and how. The zero value of a field that
// has a default means the default.
type Config struct {
	// DSN is the connection string of the database, as a URL or in the
	// keyword=value form of libpq, TCP or Unix socket. It may hold a password
	// and never appears in errors, logs or metrics. Required.
	DSN string
	// Slot is the name of the replication slot, made if it is missing: lower-case
	// letters, digits and underscores, at most 63. One slot serves one source of
	// one installation. Required.
	Slot string
	// Publication is the name of the publication that the DBA made for the
	// tables. Required.
	Publication string

	// ApplicationName is what pg_stat_activity and pg_stat_replication show. It
	// must not be one of synchronous_standby_names. Defaults to "tailstock".
	ApplicationName string
	// ConnectTimeout bounds making a connection, unless the DSN has a
	// connect_timeout. Defaults to 10 s.
	ConnectTimeout time.Duration
	// WALSenderTimeout is set on the replication connection as its
	// wal_sender_timeout: for so long a process that died without closing its
	// connection keeps the slot from its successor, and after so long without a
	// sign of life from the server Tail gives up. Defaults to 10 s.
	WALSenderTimeout time.Duration
	// StatusInterval is the time between status updates to the server. Defaults
	// to the smaller of 10 s and half of WALSenderTimeout, and may not be longer
	// than the latter half.
	StatusInterval time.Duration
	// PartRows is the most changes that one emitted part of a transaction holds.
	// Defaults to 2,000.
	PartRows int
	// PartBytes is about the most memory, in bytes, that one part takes; a part
	// has at least one change. Defaults to 1 MiB.
	PartBytes int
	// QueueBytes is about the most memory, in bytes, that decoded transactions
	// wait in while emit blocks. Defaults to 4 MiB.
	QueueBytes int
	// GulpWait is how long at most the reader lets the socket fill before it reads again,
	// while it is behind: the server sends every row as a packet of its own, and
	// taking them one by one keeps it from decoding. It adds nothing to the
	// latency when caught up. Negative turns it off. Defaults to 2 ms.
	GulpWait time.Duration
}

// WithDefaults returns a copy of c in which fields without a value have their default.
func (c Config) WithDefaults() Config {
	setDefault(&c.ApplicationName, ApplicationNameDefault)
	setDefault(&c.ConnectTimeout, ConnectTimeoutDefault)
	setDefault(&c.WALSenderTimeout, WALSenderTimeoutDefault)
	setDefault(&c.StatusInterval, min(StatusIntervalMax, c.WALSenderTimeout/2))
	setDefault(&c.PartRows, PartRowsDefault)
	setDefault(&c.PartBytes, PartBytesDefault)
	setDefault(&c.QueueBytes, QueueBytesDefault)
	setDefault(&c.GulpWait, GulpWaitDefault)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// slotName is what PostgreSQL accepts for a slot: NAMEDATALEN leaves 63 bytes.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// Validate reports every problem of c, joined, each beginning with the name of
// its field as configuration files spell it. The password in a DSN is not shown.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var problems []error
	report := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf(field+": "+format, args...))
	}
	if c.DSN == "" {
		report("dsn", "is required")
	} else if _, err := pgx.ParseConfig(c.DSN); err != nil {
		report("dsn", "%w", err)
	}
	switch {
	case c.Slot == "":
		report("slot", "is required")
	case !slotName.MatchString(c.Slot):
		report("slot", "%q is not 1 to 63 lower-case letters, digits and underscores", c.Slot)
	}
	switch {
	case c.Publication == "":
		report("publication", "is required")
	case len(c.Publication) > maxIdentifier:
		report("publication", "%q is longer than %d bytes", c.Publication, maxIdentifier)
	}
	if len(c.ApplicationName) > maxIdentifier {
		report("application_name", "%q is longer than %d bytes", c.ApplicationName, maxIdentifier)
	}
	c.validateLimits(report)
	return errors.Join(problems...)
}

// maxIdentifier is the longest PostgreSQL identifier, in bytes: NAMEDATALEN - 1.
const maxIdentifier = 63

func (c Config) validateLimits(report func(field, format string, args ...any)) {
	if c.ConnectTimeout < 0 {
		report("connect_timeout", "%v is negative", c.ConnectTimeout)
	}
	// The server rounds to milliseconds, and a shorter timeout than a second
	// would end sessions because of a busy machine.
	if c.WALSenderTimeout < time.Second || c.WALSenderTimeout > time.Hour {
		report("wal_sender_timeout", "%v is not between 1s and 1h", c.WALSenderTimeout)
	} else if c.StatusInterval <= 0 || c.StatusInterval > c.WALSenderTimeout/2 {
		report("status_interval", "%v is not between 0 and half of wal_sender_timeout (%v)",
			c.StatusInterval, c.WALSenderTimeout/2)
	}
	if c.PartRows < 1 {
		report("part_rows", "%d is not positive", c.PartRows)
	}
	if c.PartBytes < 1 {
		report("part_bytes", "%d is not positive", c.PartBytes)
	}
	if c.QueueBytes < 1 {
		report("queue_bytes", "%d is not positive", c.QueueBytes)
	}
	if c.GulpWait > 100*time.Millisecond {
		report("gulp_wait", "%v is longer than 100ms", c.GulpWait)
	}
}
