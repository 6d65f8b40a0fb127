package privateserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Ports are taken from below 32768, where Linux begins to take the local ports
// of outgoing connections (ip_local_port_range in ip(7)): a client that keeps
// dialing a server that is down would sooner or later be given that very port,
// connect to itself, and keep the server from coming back.
const (
	lowestPort  = 16384
	highestPort = 32767
)

// reservation keeps a port for its holder, also while no server listens on it.
type reservation struct {
	port int
	lock *os.File
}

// reservePort finds a TCP port on loopback that nobody listens on and that no
// other private server of this user holds.
func reservePort() (*reservation, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tailstock-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var problem error
	for range 200 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1) //nolint:gosec // no secret
		lock, err := tryLock(filepath.Join(dir, strconv.Itoa(port)))
		if err != nil {
			problem = err
			continue
		}
		if err := unused(port); err != nil {
			problem = errors.Join(err, lock.Close())
			continue
		}
		return &reservation{port: port, lock: lock}, nil
	}
	return nil, fmt.Errorf("no free port: %w", problem)
}

func unused(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // does not block
	if err != nil {
		return err
	}
	return l.Close()
}

// release gives the port back. The kernel does so too when the holder dies.
func (r *reservation) release() error { return r.lock.Close() }
