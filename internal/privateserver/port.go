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

// Port is a TCP port on loopback that is its holder's alone, also while nobody
// listens on it: no other private server of this user is given it.
type Port struct {
	number int
	lock   *os.File
}

// ReservePort finds a port that nobody listens on. It is the caller's until
// Release, or until the caller's process ends.
func ReservePort() (*Port, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tailstock-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var problem error
	for range 200 {
		number := lowestPort + rand.IntN(highestPort-lowestPort+1) //nolint:gosec // no secret
		lock, err := tryLock(filepath.Join(dir, strconv.Itoa(number)))
		if err != nil {
			problem = err
			continue
		}
		if err := unused(number); err != nil {
			problem = errors.Join(err, lock.Close())
			continue
		}
		return &Port{number: number, lock: lock}, nil
	}
	return nil, fmt.Errorf("no free port: %w", problem)
}

// Number returns the port.
func (p *Port) Number() int { return p.number }

// Address returns host and port, to listen on and to dial.
func (p *Port) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

// Release gives the port back. A process that was forked at the same time may
// hold it a moment longer.
func (p *Port) Release() error { return p.lock.Close() }

func unused(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // does not block
	if err != nil {
		return err
	}
	return l.Close()
}
