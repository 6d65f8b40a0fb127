package cache

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Defaults of Config.
const (
	ChannelDefault        = "stock:changed"
	ConnectTimeoutDefault = 5 * time.Second
	CommandTimeoutDefault = 10 * time.Second
)

// Config says which Redis or Valkey is the cache. The zero value of a field that
// has a default means the default.
type Config struct {
	// URL is redis://[user:password@]host[:port][/database], the same with rediss://
	// for TLS, or unix://[user:password@]/path/of/socket[?db=database]. It may hold
	// a password and never appears in errors, logs or metrics.
	URL string
	// Namespace is put before every key, with a colon, so that several
	// installations can share a server: lower-case letters, digits and hyphens,
	// beginning with a letter. Defaults to none.
	Namespace string
	// Channel is where SKUs whose numbers changed are published. A server's
	// databases share their channels. Defaults to "stock:changed", behind the
	// namespace and a colon if there is one.
	Channel string
	// ConnectTimeout bounds making a connection. Defaults to 5 s.
	ConnectTimeout time.Duration
	// CommandTimeout bounds one command, from sending it to its whole answer.
	// Scripts take some milliseconds. Defaults to 10 s.
	CommandTimeout time.Duration
}

// WithDefaults returns a copy of c in which fields without a value have their default.
func (c Config) WithDefaults() Config {
	if c.Channel == "" {
		c.Channel = c.prefix() + ChannelDefault
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = ConnectTimeoutDefault
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = CommandTimeoutDefault
	}
	return c
}

var namespacePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Validate reports every problem of c, joined, each with its field. It does not
// connect, and says nothing of what the URL holds.
func (c Config) Validate() error {
	var errs []error
	if c.URL == "" {
		errs = append(errs, errors.New("url: missing"))
	} else if _, err := c.options(); err != nil {
		errs = append(errs, err)
	}
	if c.Namespace != "" && !namespacePattern.MatchString(c.Namespace) {
		errs = append(errs, fmt.Errorf(
			"namespace: %q must be 1 to 32 lower-case letters, digits and hyphens, beginning with a letter", c.Namespace))
	}
	if c.ConnectTimeout < 0 {
		errs = append(errs, errors.New("connect_timeout: must not be negative"))
	}
	if c.CommandTimeout < 0 {
		errs = append(errs, errors.New("command_timeout: must not be negative"))
	}
	return errors.Join(errs...)
}

// errURL does not wrap what the parsers say: they quote the URL, or the part of it
// that they take for something else than a password.
var errURL = errors.New("url: must be like redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path/of/socket; " +
	"percent-encode reserved characters in user and password")

// poolSize is how many connections there may be: one applies, one scans, and
// somebody reads.
const poolSize = 4

// options returns the client's options.
func (c Config) options() (*redis.Options, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Opaque != "" || u.Scheme != "unix" && u.Host == "" {
		return nil, errURL
	}
	o, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = c.ConnectTimeout, c.CommandTimeout, c.CommandTimeout
	o.ContextTimeoutEnabled = true
	o.PoolSize = poolSize
	// A command that was sent twice would be fenced by itself; whoever calls tries again.
	o.MaxRetries, o.DialerRetries = -1, 1
	// These are commands that a server may forbid or not know, and nobody here needs.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

func (c Config) prefix() string {
	if c.Namespace == "" {
		return ""
	}
	return c.Namespace + ":"
}

func (c Config) placeKey() string  { return c.prefix() + "stock:place" }
func (c Config) skuPrefix() string { return c.prefix() + "stock:{" }
