package mysql

import (
	"fmt"
	"net/netip"
)

// appendMariaUUID appends a UUID of MariaDB, which stores versions 1 to 5 with its parts
// turned around, so that those made one after another stand together: the node and
// the clock first, then the time from its high end. Versions 6 and later, and what
// is no variant of its own, stand as they are written.
func appendMariaUUID(dst, v []byte) ([]byte, error) {
	var full [16]byte
	if len(v) > 16 {
		return dst, fmt.Errorf("uuid of %d bytes", len(v))
	}
	copy(full[:], v) // zeros at the end are left out
	if full[6] != 0 && full[6]>>4 < 6 && full[8]&0x80 != 0 || full[8] == 0 && full[6] == 0 {
		// Placeholder order; see mariaUUIDOrder.
		return appendUUID(dst, full[:]), nil
	}
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
