package mysql

import (
	"fmt"
	"net/netip"
)

// appendMariaUUID appends a UUID of MariaDB. The log has it as it is written, unlike
// the server's tables, without the zeros at its end.
func appendMariaUUID(dst, v []byte) ([]byte, error) {
	var full [16]byte
	if len(v) > len(full) {
		return dst, fmt.Errorf("uuid of %d bytes", len(v))
	}
	copy(full[:], v)
	return appendUUID(dst, full[:]), nil
}

// appendINET appends an address of MariaDB's INET4 or INET6.
func appendINET(dst, v []byte, k kind) ([]byte, error) {
	size := 16
	if k == kindINET4 {
		size = 4
	}
	if len(v) > size {
		return dst, fmt.Errorf("address of %d bytes", len(v))
	}
	full := make([]byte, size)
	copy(full, v) // zeros at the end are left out
	addr, _ := netip.AddrFromSlice(full)
	return addr.AppendTo(dst), nil
}
