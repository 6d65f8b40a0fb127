package postgres

import (
	"net"
	"syscall"
)

// setLowWater makes the kernel wake the process for what arrives on conn only
// when n bytes wait, or whatever there is when n is 1. TCP also widens its window
// to n bytes. It does nothing for connections that are not sockets.
// See SO_RCVLOWAT in socket(7).
func setLowWater(conn net.Conn, n int) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return // closed, as the next read will tell
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n) // without it, only slower
	})
}
