package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"tailstock/connector/cdc"
)

// Defaults of Config.
const (
	ConnectTimeoutDefault    = 10 * time.Second
	HeartbeatIntervalDefault = 500 * time.Millisecond
	SilenceTimeoutDefault    = 30 * time.Second
	PartRowsDefault          = 2_000
	PartBytesDefault         = 1 << 20
	QueueBytesDefault        = 4 << 20
	XABytesDefault           = 64 << 20
)

// What to do about foreign keys with ON DELETE or ON UPDATE actions whose child
// is captured. MariaDB, and MySQL before 9.6, change such children without
// writing it to their binary log.
const (
	// CascadesRefuse refuses the source: the default.
	CascadesRefuse = "refuse"
	// CascadesVerify compares and repairs the child table whenever a delete or a
	// key change of the parent goes by.
	CascadesVerify = "verify"
	// CascadesAccept takes what the log has: the operator knows that no such
	// action ever happens.
	CascadesAccept = "accept"
)

// Config says which server to follow and how. The zero value of a field that has
// a default means the default.
type Config struct {
	// DSN is the data source name of the server in the form of the Go driver:
	// user:password@tcp(host:port)/database?tls=true or user@unix(/path)/. It may
	// hold a password and never appears in errors, logs or metrics. Required.
	DSN string
	// ServerID is the replica's id that this source calls itself by. No other
	// replica of the server may have it, nor the server itself. Required.
	ServerID uint32
	// Cascades is one of "refuse", "verify" and "accept". Defaults to "refuse".
	Cascades string
	// Lookups are those of the wanted tables that rows of others look up. They are kept
	// in memory, so that no comparison with a store finds what changed them unlogged.
	Lookups []cdc.TableName

	// ConnectTimeout bounds making a connection, unless the DSN has a timeout.
	// Defaults to 10 s.
	ConnectTimeout time.Duration
	// HeartbeatInterval is how often an idle server says where its log ends.
	// Defaults to 500 ms.
	HeartbeatInterval time.Duration
	// SilenceTimeout is how long the server may send nothing before Tail gives up.
	// Defaults to 30 s.
	SilenceTimeout time.Duration
	// PartRows is the most changes that one emitted part of a transaction holds.
	// Defaults to 2,000.
	PartRows int
	// PartBytes is about the most memory, in bytes, that one part takes; a part
	// has at least one change. Defaults to 1 MiB.
	PartBytes int
	// QueueBytes is about the most memory, in bytes, that decoded transactions
	// wait in while emit blocks. Defaults to 4 MiB.
	QueueBytes int
	// XABytes is the most memory, in bytes, that the rows of prepared XA
	// transactions wait in until they commit. Defaults to 64 MiB.
	XABytes int
}

// WithDefaults returns a copy of c in which fields without a value have their default.
func (c Config) WithDefaults() Config {
	setDefault(&c.Cascades, CascadesRefuse)
	setDefault(&c.ConnectTimeout, ConnectTimeoutDefault)
	setDefault(&c.HeartbeatInterval, HeartbeatIntervalDefault)
	setDefault(&c.SilenceTimeout, SilenceTimeoutDefault)
	setDefault(&c.PartRows, PartRowsDefault)
	setDefault(&c.PartBytes, PartBytesDefault)
	setDefault(&c.QueueBytes, QueueBytesDefault)
	setDefault(&c.XABytes, XABytesDefault)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

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
	} else if _, err := c.driver(); err != nil {
		report("dsn", "%w", err)
	}
	if c.ServerID == 0 {
		report("server_id", "is required: a number that no other replica of the server has")
	}
	if !slices.Contains([]string{CascadesRefuse, CascadesVerify, CascadesAccept}, c.Cascades) {
		report("cascades", "%q is not refuse, verify or accept", c.Cascades)
	}
	c.validateLimits(report)
	return errors.Join(problems...)
}

func (c Config) validateLimits(report func(field, format string, args ...any)) {
	if c.ConnectTimeout < 0 {
		report("connect_timeout", "%v is negative", c.ConnectTimeout)
	}
	if c.HeartbeatInterval < time.Millisecond || c.HeartbeatInterval > time.Minute {
		report("heartbeat_interval", "%v is not between 1ms and 1m", c.HeartbeatInterval)
	} else if c.SilenceTimeout < 2*c.HeartbeatInterval {
		report("silence_timeout", "%v is shorter than two heartbeat_intervals (%v)", c.SilenceTimeout, c.HeartbeatInterval)
	}
	for _, limit := range []struct {
		field string
		value int
	}{
		{"part_rows", c.PartRows}, {"part_bytes", c.PartBytes}, {"queue_bytes", c.QueueBytes}, {"xa_bytes", c.XABytes},
	} {
		if limit.value < 1 {
			report(limit.field, "%d is not positive", limit.value)
		}
	}
}

// errDSN stands for every error of a DSN that does not parse: the driver's own
// may show what it could not make sense of, the password included.
var errDSN = errors.New("is not user:password@tcp(host:port)/database or user:password@unix(/path)/database")

// driver returns the driver's configuration of one session with the settings
// that canonical values need, and what the DSN asks for otherwise.
func (c Config) driver() (*mysql.Config, error) {
	d, err := mysql.ParseDSN(c.DSN)
	if err != nil {
		return nil, errDSN
	}
	switch {
	case d.Net != "tcp" && d.Net != "unix":
		return nil, fmt.Errorf("network %q is neither tcp nor unix", d.Net)
	case strings.Contains(d.User, "\x00"):
		return nil, errDSN
	}
	if d.Timeout == 0 {
		d.Timeout = c.ConnectTimeout
	}
	d.ParseTime, d.InterpolateParams, d.MultiStatements = false, false, false
	d.ColumnsWithAlias, d.ClientFoundRows = false, false
	d.Logger = nopLogger{}
	if d.Params == nil {
		d.Params = make(map[string]string)
	}
	if err := d.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, fmt.Errorf("set the character set: %w", err)
	}
	d.Params["time_zone"] = "'+00:00'"
	d.Params["sql_mode"] = "''"
	return d, nil
}

// nopLogger drops what the driver says of connections that broke: the errors say it too.
type nopLogger struct{}

func (nopLogger) Print(...any) {}
