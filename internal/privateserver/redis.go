package privateserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// RedisOptions say what server to start.
type RedisOptions struct {
	// Dir is a directory of the server's own, made if missing.
	Dir string
	// AppendOnly keeps the data on disk, so that it survives a restart.
	AppendOnly bool
	// Args are added to the command line.
	Args []string
}

// Redis is a private Redis (or Valkey) server. Its methods are not safe for concurrent use.
type Redis struct {
	options RedisOptions
	path    string
	port    int
	process process
}

// StartRedis starts a server. It fails with *MissingError if Redis is not installed.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if path, err = exec.LookPath("valkey-server"); err != nil {
			return nil, &MissingError{Server: "Redis", Install: "apt-get install redis-server"}
		}
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make directory of Redis: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("find a port for Redis: %w", err)
	}
	r := &Redis{options: o, path: path, port: port}
	r.process = process{name: "Redis", log: filepath.Join(o.Dir, "redis.log")}
	return r, r.Start(ctx)
}

// Start starts the server again after a stop, on the same port and directory.
func (r *Redis) Start(ctx context.Context) error {
	appendOnly := "no"
	if r.options.AppendOnly {
		appendOnly = "yes"
	}
	args := append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.options.Dir,
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

// URL returns the server's redis:// URL.
func (r *Redis) URL() string { return "redis://127.0.0.1:" + strconv.Itoa(r.port) }

// PID returns the server's process id, 0 if it does not run.
func (r *Redis) PID() int { return r.process.pid() }

// Do sends one command and returns its reply, for replies of one line or string.
func (r *Redis) Do(ctx context.Context, command ...string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)))
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	switch line[0] {
	case '-':
		return "", errors.New(line[1:])
	case '$':
		if line == "$-1" {
			return "", nil
		}
		text, err := in.ReadString('\n')
		return strings.TrimSuffix(text, "\r\n"), err
	default:
		return line[1:], nil
	}
}

// Flush empties the server.
func (r *Redis) Flush(ctx context.Context) error {
	_, err := r.Do(ctx, "FLUSHALL")
	return err
}

// Stop shuts the server down and waits. When ctx ends first, the server is killed.
func (r *Redis) Stop(ctx context.Context) error {
	if err := r.process.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.process.wait(ctx)
}

// Kill ends the server with SIGKILL.
func (r *Redis) Kill() { r.process.kill() }

// Pause stops the server with SIGSTOP.
func (r *Redis) Pause() error { return r.process.signal(syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (r *Redis) Continue() error { return r.process.signal(syscall.SIGCONT) }

// Close kills the server. Its directory is the caller's to remove.
func (r *Redis) Close() error {
	r.process.kill()
	return nil
}
