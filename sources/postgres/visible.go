package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is what pg_current_snapshot() tells: which transactions a query
// that began then can see. Its numbers are 64 bits wide, epoch included.
type snapshot struct {
	// xmin is the lowest transaction still in progress: every lower one has ended.
	xmin uint64
	// xmax is one above the highest transaction that had ended: it and all higher ones had not.
	xmax uint64
	// running are those between xmin and xmax in progress, ascending.
	running []uint64
}

// parseSnapshot reads the text form of pg_snapshot, xmin:xmax:xip,xip,...
func parseSnapshot(s string) (snapshot, error) {
	malformed := func() error { return fmt.Errorf("%q is not a pg_snapshot", s) }
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return snapshot{}, malformed()
	}
	var snap snapshot
	var err error
	if snap.xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return snapshot{}, malformed()
	}
	if snap.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil || snap.xmax < snap.xmin {
		return snapshot{}, malformed()
	}
	if parts[2] == "" {
		return snap, nil
	}
	for text := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return snapshot{}, malformed()
		}
		snap.running = append(snap.running, xid)
	}
	slices.Sort(snap.running)
	return snap, nil
}

// visible reports whether s sees the effects of transaction xid, given that it
// committed. A commit that waits for a synchronous standby is streamed while no
// query sees it yet; it is then either in progress or at or above xmax
// (both observed), so that looking for it among the running ones is not enough.
func (s *snapshot) visible(xid uint64) bool {
	if xid < s.xmin {
		return true
	}
	if xid >= s.xmax {
		return false
	}
	_, running := slices.BinarySearch(s.running, xid)
	return !running
}

// widen returns the 64-bit number of the transaction that the replication
// protocol calls xid: of all numbers that end in these 32 bits, the nearest to
// xmax. Transactions that are neither frozen nor in the future are never
// further than 2^31 away.
func (s *snapshot) widen(xid uint32) uint64 {
	distance := int32(xid - uint32(s.xmax)) //nolint:gosec // modular on purpose
	return s.xmax + uint64(int64(distance)) //nolint:gosec // modular on purpose
}
