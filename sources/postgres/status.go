package postgres

import (
	"encoding/binary"
	"time"
)

// statusUpdate makes a standby status update. All three positions are given:
// written is what was read, flushed and applied are what the server may discard.
// ask makes the server answer with a keepalive.
func statusUpdate(written, flushed lsn, now time.Time, ask bool) []byte {
	b := make([]byte, 0, 34)
	b = append(b, 'r')
	b = binary.BigEndian.AppendUint64(b, uint64(written))
	b = binary.BigEndian.AppendUint64(b, uint64(flushed))
	b = binary.BigEndian.AppendUint64(b, uint64(flushed))
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixMicro()-postgresEpoch)) //nolint:gosec // two's complement
	if ask {
		return append(b, 1)
	}
	return append(b, 0)
}
