//go:build !linux

package postgres

import "net"

// setLowWater does nothing here: it only saves time.
func setLowWater(net.Conn, int) {}
