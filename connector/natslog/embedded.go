package natslog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

var errLocked = errors.New("another process runs the server of this directory")

// embeddedReady bounds the start of the server. Recovering a large store takes
// seconds per million messages.
const embeddedReady = 5 * time.Minute

// Embedded is a NATS server inside this process. It syncs every message to disk
// before it acknowledges it, and it demands credentials, whose keys it makes in
// its directory.
type Embedded struct {
	dir    string
	server *server.Server
	lock   *os.File
}

// StartEmbedded starts the server of cfg, and returns when it is ready. It fails
// at once if another process uses the directory. Close it after every Client.
func StartEmbedded(ctx context.Context, cfg Config, log *slog.Logger) (*Embedded, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	if cfg.Embedded == nil {
		return nil, errors.New("embedded nats: not configured")
	}
	dir := cfg.Embedded.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("embedded nats in %s: %w", dir, err)
	}
	e := &Embedded{dir: dir, lock: lock}
	if err := e.start(ctx, &cfg, log); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded nats in %s: %w", dir, err), e.Close())
	}
	return e, nil
}

func (e *Embedded) start(ctx context.Context, cfg *Config, log *slog.Logger) error {
	keys, err := loadKeys(e.dir)
	if err != nil {
		return err
	}
	host, port, err := listenAddress(cfg.Embedded.Listen)
	if err != nil {
		return err
	}
	e.server, err = server.NewServer(&server.Options{
		ServerName: "tailstock", Host: host, Port: port,
		JetStream: true, StoreDir: filepath.Join(e.dir, "store"), SyncAlways: true,
		Nkeys:  users(keys, names{cfg.Namespace}),
		NoSigs: true, // signals belong to main
	})
	if err != nil {
		return err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e.server.SetLoggerV2(serverLogger{log}, false, false, false)
	e.server.Start()
	if err := e.ready(ctx); err != nil {
		return err
	}
	return writeFile(addressPath(e.dir), []byte(e.URL()+"\n"))
}

func (e *Embedded) ready(ctx context.Context) error {
	deadline := time.Now().Add(embeddedReady)
	for !e.server.ReadyForConnections(100 * time.Millisecond) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !e.server.Running():
			return errors.New("the server ended at its start; its log says why")
		case time.Now().After(deadline):
			return fmt.Errorf("the server is not ready after %s", embeddedReady)
		}
	}
	if !e.server.JetStreamEnabled() {
		return errors.New("the server could not open its store; its log says why")
	}
	return nil
}

func listenAddress(listen string) (host string, port int, err error) {
	if listen == "" {
		return "127.0.0.1", server.RANDOM_PORT, nil
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, err
}

// URL is where the server listens.
func (e *Embedded) URL() string { return e.server.ClientURL() }

// Close stops the server, in order: clients are cut, and files are synced. It
// may be called again.
func (e *Embedded) Close() error {
	var err error
	if e.server != nil {
		if err = os.Remove(addressPath(e.dir)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		e.server.Shutdown()
		e.server.WaitForShutdown()
		e.server = nil
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
		e.lock = nil
	}
	return err
}

func addressPath(dir string) string { return filepath.Join(dir, "address") }

// readAddress finds the server that another process runs in dir.
func readAddress(dir string) (string, error) {
	b, err := os.ReadFile(addressPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no daemon runs the embedded nats server in %s", dir)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// serverLogger writes the server's log. Notices are for those who look closely.
type serverLogger struct{ log *slog.Logger }

func (l serverLogger) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v...) }
func (l serverLogger) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v...) }
func (l serverLogger) Fatalf(format string, v ...any)  { l.write(slog.LevelError, format, v...) }
func (l serverLogger) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v...) }
func (l serverLogger) Debugf(string, ...any)           {}
func (l serverLogger) Tracef(string, ...any)           {}

func (l serverLogger) write(level slog.Level, format string, v ...any) {
	const message = "nats server"
	text := slog.String("says", fmt.Sprintf(format, v...))
	switch level {
	case slog.LevelDebug:
		l.log.Debug(message, text)
	case slog.LevelWarn:
		l.log.Warn(message, text)
	default:
		l.log.Error(message, text)
	}
}
