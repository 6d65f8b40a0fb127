package natslog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Times that bound how long a dead or half-open connection goes unnoticed, and
// how long one request may take.
const (
	connectTimeout = 5 * time.Second
	requestTimeout = 5 * time.Second
	pingEvery      = 5 * time.Second
	pingsMissed    = 2
	drainTimeout   = 2 * time.Second
)

// minPayload is the payload that a server must accept: a message of the log may
// be as large as 512 KiB and one event, besides its headers.
const minPayload = 1 << 20

// Options of Connect.
type Options struct {
	// Embedded is the server of this process, when it runs one.
	Embedded *Embedded
	// Role is whose key to use with an embedded server. Defaults to RoleDaemon.
	Role Role
	// Name shows in the server's list of connections. Defaults to "tailstock".
	Name string
	// Logger gets what the NATS client reports out of band. Defaults to none.
	Logger *slog.Logger
}

// Client gives access to everything that an installation keeps on NATS. Its own
// connection serves state, leases and the command line, and reconnects by itself;
// runs, sessions and readers open others. It is safe for concurrent use.
type Client struct {
	cfg     Config
	options Options
	names   names
	host    string

	nc *nats.Conn
	js jetstream.JetStream
}

// Connect connects to the server of cfg: the one of this process, the one that
// another process runs in the same directory, or an external one.
func Connect(ctx context.Context, cfg Config, o Options) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	if o.Role == "" {
		o.Role = RoleDaemon
	}
	if o.Name == "" {
		o.Name = "tailstock"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	c := &Client{cfg: cfg.withDefaults(), options: o, names: names{cfg.Namespace}, host: host}
	c.nc, c.js, err = c.dial(ctx, nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the client's own connection. Runs, sessions and readers are
// closed by those who opened them.
func (c *Client) Close() error {
	c.nc.Close()
	return nil
}

// dialOnce opens a connection that never reconnects.
func (c *Client) dialOnce(ctx context.Context, more ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	return c.dial(ctx, append(more, nats.NoReconnect())...)
}

// dial opens a connection. Nothing is ever kept back to be sent after a
// reconnect: what cannot be sent now fails now.
func (c *Client) dial(ctx context.Context, more ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	url, auth, err := c.endpoint()
	if err != nil {
		return nil, nil, err
	}
	timeout := connectTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	options := append([]nats.Option{
		nats.Name(c.options.Name), nats.Timeout(timeout), nats.ReconnectBufSize(-1),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsMissed),
		nats.ErrorHandler(c.asyncError),
	}, auth...)
	nc, err := nats.Connect(url, append(options, more...)...)
	if err != nil {
		err = fmt.Errorf("connect to nats at %s: %w", redactAll(url), err)
		if unreachable(err) {
			err = fmt.Errorf("%w (%w)", err, ErrUnreachable)
		}
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("connect to nats at %s: %w", redactAll(url), err)
	}
	return nc, js, nil
}

// ErrUnreachable is returned when no NATS server answers: it may come back.
var ErrUnreachable = errors.New("no server answers")

// unreachable reports whether the network, and not a server, refused a connection.
func unreachable(err error) bool {
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &network)
}

// endpoint is where to connect, and as whom.
func (c *Client) endpoint() (string, []nats.Option, error) {
	if c.cfg.Embedded == nil {
		auth, err := c.credentials()
		return c.cfg.URL, auth, err
	}
	path := keyPath(c.cfg.Embedded.Dir, c.options.Role)
	key, err := nats.NkeyOptionFromSeed(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("key of %s for the embedded nats server: %s is not there yet; the daemon makes it when it first starts", c.options.Role, path)
	case err != nil:
		return "", nil, fmt.Errorf("key of %s for the embedded nats server: %w", c.options.Role, err)
	}
	auth := []nats.Option{key}
	if c.options.Role == RoleReader {
		auth = append(auth, nats.CustomInboxPrefix(readerInbox))
	}
	if e := c.options.Embedded; e != nil {
		return e.URL(), auth, nil
	}
	url, err := readAddress(c.cfg.Embedded.Dir)
	return url, auth, err
}

func (c *Client) credentials() ([]nats.Option, error) {
	var auth []nats.Option
	if c.cfg.Creds != "" {
		auth = append(auth, nats.UserCredentials(c.cfg.Creds))
	}
	if c.cfg.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(c.cfg.NKey)
		if err != nil {
			return nil, fmt.Errorf("nkey %s: %w", c.cfg.NKey, err)
		}
		auth = append(auth, key)
	}
	if c.cfg.TLS.CA != "" {
		auth = append(auth, nats.RootCAs(c.cfg.TLS.CA))
	}
	if c.cfg.TLS.Cert != "" {
		auth = append(auth, nats.ClientCert(c.cfg.TLS.Cert, c.cfg.TLS.Key))
	}
	return auth, nil
}

// asyncError takes what the NATS client has nobody to return to. Whatever
// matters shows again where someone waits for an answer.
func (c *Client) asyncError(_ *nats.Conn, s *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrConnectionClosed) {
		return
	}
	subject := ""
	if s != nil {
		subject = s.Subject
	}
	c.options.Logger.Debug("nats client reports", "error", err, "subject", subject)
}

// withRequestTimeout bounds a request of a caller that set no deadline.
func withRequestTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}
