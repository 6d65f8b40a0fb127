package privateserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// redisTimeout bounds one command.
const redisTimeout = 5 * time.Second

// RedisOptions say what server to start.
type RedisOptions struct {
	// Dir is a directory of the server's own, made if missing.
	Dir string
	// AppendOnly keeps the data on disk, synced at every write, so that it survives a restart.
	AppendOnly bool
	// Args are added to the command line.
	Args []string
}

// Redis is a private Redis (or Valkey) server. Its methods may be called from
// several goroutines, but Start, Stop, Kill and Close one at a time.
type Redis struct {
	options RedisOptions
	path    string
	port    *Port
	process process
}

// StartRedis starts a server and blocks until it answers, at most a minute. The
// server outlives ctx. It fails with *MissingError if Redis is not installed.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	path, err := redisBinary()
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make directory of Redis: %w", err)
	}
	port, err := ReservePort()
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	r := &Redis{options: o, path: path, port: port}
	r.process = process{name: "Redis", log: filepath.Join(o.Dir, "redis.log")}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func redisBinary() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Server: "Redis", Install: "apt-get install redis-server"}
}

// Start starts the server again after a stop, on the same port and directory.
func (r *Redis) Start(ctx context.Context) error {
	appendOnly := "no"
	if r.options.AppendOnly {
		appendOnly = "yes"
	}
	args := append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(r.Port()), "--dir", r.options.Dir,
		"--save", "", "--appendonly", appendOnly, "--appendfsync", "always",
	}, r.options.Args...)
	return r.process.start(ctx, r.ready, r.path, args...)
}

func (r *Redis) ready(ctx context.Context) error {
	answer, err := r.Do(ctx, "PING")
	if err == nil && answer != "PONG" {
		err = fmt.Errorf("answered %q", answer)
	}
	return err
}

// Port returns the TCP port on 127.0.0.1.
func (r *Redis) Port() int { return r.port.Number() }

// URL returns the server's redis:// URL.
func (r *Redis) URL() string { return "redis://" + r.port.Address() }

// PID returns the server's process id, 0 if it does not run.
func (r *Redis) PID() int { return r.process.pid() }

// Do sends one command and returns its reply, for replies of one line or string;
// nil is "".
func (r *Redis) Do(ctx context.Context, command ...string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", r.port.Address())
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(redisTimeout)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return "", err
	}
	return readReply(bufio.NewReader(c))
}

// readReply reads a reply of the protocol RESP2: a line, an error or a string.
func readReply(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimSuffix(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", errors.New(rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err
		}
		text := make([]byte, n)
		_, err = io.ReadFull(in, text)
		return string(text), err
	default:
		return "", fmt.Errorf("reply %q is not of one line or string", line)
	}
}

// Flush empties the server.
func (r *Redis) Flush(ctx context.Context) error {
	_, err := r.Do(ctx, "FLUSHALL")
	return err
}

// Stop shuts the server down and waits. When ctx ends first, the server is
// killed and the cause returned.
func (r *Redis) Stop(ctx context.Context) error {
	if err := r.process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.process.wait(ctx)
}

// Kill ends the server with SIGKILL and waits until it is gone.
func (r *Redis) Kill() { r.process.kill() }

// Pause stops the server with SIGSTOP: connections stay open and nothing answers.
func (r *Redis) Pause() error { return r.process.signal(syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (r *Redis) Continue() error { return r.process.signal(syscall.SIGCONT) }

// Close kills the server, in any state, and gives its port back. It cannot be
// started again. Its directory is the caller's to remove.
func (r *Redis) Close() error {
	r.process.kill()
	return r.port.Release()
}

// Log returns the path of the server's log.
func (r *Redis) Log() string { return r.process.log }
