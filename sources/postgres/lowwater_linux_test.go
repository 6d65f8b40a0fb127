package postgres

import (
	"net"
	"syscall"
	"testing"
	"time"
)

func lowWater(t *testing.T, conn net.Conn) (n int) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGatherKeepsTheSocketQuiet(t *testing.T) {
	t.Parallel()
	client, _ := pipe(t)
	setLowWater(client, 1000)
	if got := lowWater(t, client); got != 1000 {
		t.Errorf("low water mark is %d, want 1000", got)
	}
	testStream(newBufferedConn(client)).gather(time.Millisecond)
	if got := lowWater(t, client); got != 1 {
		t.Errorf("low water mark after gathering is %d, want 1: what comes would not be seen", got)
	}
}
