package privateserver

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestAPortIsItsHoldersUntilReleased(t *testing.T) {
	t.Parallel()
	r, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	if r.Number() < lowestPort || r.Number() > highestPort {
		t.Errorf("port %d is where the system takes local ports from", r.Number())
	}
	if _, err := tryLock(r.lock.Name()); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("another may take it: %v", err)
	}
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	// Not at once: a child that another test forks holds the file until it execs.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again, err := lock(ctx, r.lock.Name())
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestAPortInUseIsNotTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if err := unused(port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port %s: got %v, want address in use", strconv.Itoa(port), err)
	}
}

func TestLockWaits(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/lock"
	held, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("lock that is held: got %v, want context.DeadlineExceeded", err)
	}
	got := make(chan error, 1)
	go func() {
		f, err := lock(context.WithoutCancel(t.Context()), path)
		if err == nil {
			err = f.Close()
		}
		got <- err
	}()
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("lock that was released: %v", err)
	}
}
