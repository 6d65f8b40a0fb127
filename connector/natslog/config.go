package natslog

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Defaults of Config.
const (
	DefaultMaxBytes        = 20 << 30
	DefaultRejectsMaxBytes = 1 << 30
	// DefaultConfirmDelay is the two minutes that a JetStream server may take to
	// sync its files by default (sync_interval), and ten seconds more.
	DefaultConfirmDelay = 2*time.Minute + 10*time.Second
)

// Config says which NATS server to use and what to keep on it. Either URL or
// Embedded is set.
type Config struct {
	// URL is that of the server, or several separated by commas.
	URL string
	// Creds is the path of a credentials file. Optional.
	Creds string
	// NKey is the path of a file that holds an nkey seed. Optional.
	NKey string
	// TLS holds paths of PEM files. Optional.
	TLS TLS
	// Embedded runs the server inside the daemon.
	Embedded *EmbeddedConfig
	// Namespace is put before every stream, subject and bucket, so that several
	// installations can share an account: lower-case letters, digits and hyphens,
	// beginning with a letter. Defaults to none.
	Namespace string
	// Replicas is how many servers keep each stream, 1 to 5. Defaults to 1.
	Replicas int
	// MaxBytes bounds each source's log, in bytes. A log that is full of messages
	// that a store has not applied holds its source. Defaults to 20 GiB.
	MaxBytes int64
	// RejectsMaxBytes bounds the rows kept because they could not be mapped, in
	// bytes, over all sources. When it is reached, the captures that meet another
	// such row stop; none is dropped. Defaults to 1 GiB.
	RejectsMaxBytes int64
	// ConfirmDelay is how long a message must have been acknowledged before the
	// source may forget what it was made from. It must exceed the interval at
	// which the server syncs its files. Set it to zero if the server is configured
	// with sync_interval: always, or if losing the unsynced files of all replicas at
	// once is accepted. Nil means two minutes and ten seconds. The embedded server
	// syncs always; with it the delay is zero unless set.
	ConfirmDelay *time.Duration
	// Keep is how long applied messages stay in the log, so that a store can be
	// restored from a backup. It is for whoever calls Run.Purge.
	Keep time.Duration
}

// TLS holds paths of PEM files.
type TLS struct {
	// CA signs the server's certificate. Empty means the system's.
	CA string
	// Cert and Key identify the client. Both or neither.
	Cert string
	Key  string
}

// EmbeddedConfig is the server inside the process.
type EmbeddedConfig struct {
	// Dir holds its streams, its keys and its address. It is made if missing. One
	// process at a time uses it.
	Dir string
	// Listen is the address for the command line and for readers of levels.
	// Defaults to a free port of 127.0.0.1. Credentials are demanded in any case,
	// but nothing is encrypted: a wider address needs a trusted network.
	Listen string
}

var (
	namespacePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	sourcePattern    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	storePattern     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	leasePattern     = regexp.MustCompile(`^[A-Za-z0-9_/-]{1,100}$`)
)

// Validate reports everything that is wrong with c, each with its field.
func (c *Config) Validate() error {
	var problems []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	add((c.URL == "") == (c.Embedded == nil), "url: give either a url or an embedded server")
	add(c.Creds != "" && c.NKey != "", "creds: give either creds or nkey")
	add((c.TLS.Cert == "") != (c.TLS.Key == ""), "tls.cert: give both cert and key, or neither")
	add(c.Namespace != "" && !namespacePattern.MatchString(c.Namespace),
		"namespace: %q must be 1 to 32 lower-case letters, digits and hyphens, beginning with a letter", c.Namespace)
	add(c.Replicas < 0 || c.Replicas > 5, "replicas: %d is not between 1 and 5", c.Replicas)
	add(c.MaxBytes < 0, "max_bytes: must not be negative")
	add(c.RejectsMaxBytes < 0, "rejects_max_bytes: must not be negative")
	add(c.ConfirmDelay != nil && *c.ConfirmDelay < 0, "confirm_delay: must not be negative")
	add(c.Keep < 0, "keep: must not be negative")
	for u := range strings.SplitSeq(c.URL, ",") {
		if c.URL != "" {
			add(!validURL(u), "url: %q is not like nats://host:4222", redact(u))
		}
	}
	if e := c.Embedded; e != nil {
		add(e.Dir == "", "embedded.dir: missing")
		add(c.Replicas > 1, "replicas: the embedded server is alone; use an external cluster for %d replicas", c.Replicas)
		add(c.Creds != "" || c.NKey != "" || c.TLS != (TLS{}), "embedded: it makes its own keys; remove creds, nkey and tls")
		if e.Listen != "" {
			_, _, err := net.SplitHostPort(e.Listen)
			add(err != nil, "embedded.listen: %q is not like 127.0.0.1:4222", e.Listen)
		}
	}
	return errors.Join(problems...)
}

func validURL(s string) bool {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return false
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return true
	}
	return false
}

// redact hides the password of a URL; what is no URL is not shown at all.
func redact(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// withDefaults returns a copy of c with its defaults filled in.
func (c *Config) withDefaults() Config {
	out := *c
	out.Replicas = max(out.Replicas, 1)
	if out.MaxBytes == 0 {
		out.MaxBytes = DefaultMaxBytes
	}
	if out.RejectsMaxBytes == 0 {
		out.RejectsMaxBytes = DefaultRejectsMaxBytes
	}
	return out
}

// confirmDelay is the delay that a run tells its capture.
func (c *Config) confirmDelay() time.Duration {
	switch {
	case c.ConfirmDelay != nil:
		return *c.ConfirmDelay
	case c.Embedded != nil:
		return 0
	default:
		return DefaultConfirmDelay
	}
}
