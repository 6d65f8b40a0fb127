package postgres

import (
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// view is the moment of one chunk. It implements backfill.View.
type view struct {
	snapshot snapshot
	// reach is at or behind the end of the commit record of every transaction
	// that the snapshot sees.
	reach lsn
	// server is how tokens of the same server end, see appendToken.
	server string
}

func newView(snap snapshot, reach lsn, s server) *view {
	token := string(s.appendToken(nil, 0))
	_, rest, _ := strings.Cut(strings.TrimPrefix(token, tokenStart), `"`)
	return &view{snapshot: snap, reach: reach, server: `"` + rest}
}

// Sees reports whether the snapshot shows what transaction t did. The stream
// calls it by the lower half of its number.
func (v *view) Sees(t *cdc.Transaction) bool {
	xid, err := strconv.ParseUint(t.ID, 10, 32)
	return err == nil && v.snapshot.visible(v.snapshot.widen(uint32(xid)))
}

// Reached reports whether r is a token of the view's server from behind the
// commits of all transactions that the snapshot sees. It costs no allocation:
// the engine asks at every boundary while a chunk waits.
func (v *view) Reached(r cdc.Resume) bool {
	text, ok := strings.CutSuffix(string(r), v.server)
	if !ok {
		return false
	}
	position, err := parseLSN(strings.TrimPrefix(text, tokenStart))
	return err == nil && position >= v.reach
}

// Sizes of the headers of pages of the log, from xlog_internal.h: that of the
// first page of a file is longer.
const (
	shortPageHeader = 24
	longPageHeader  = 40
)

// recordEnd returns the end of the last record before position, where the next
// record is to go. When that record ended with its page, the server counts the
// header of the next page in although nothing follows it; the stream never
// reports such a position while the server is idle (observed), and waiting for
// it would not end.
func recordEnd(position lsn, pageBytes, segmentBytes uint64) lsn {
	switch {
	case uint64(position)%segmentBytes == longPageHeader:
		return position - longPageHeader
	case uint64(position)%pageBytes == shortPageHeader:
		return position - shortPageHeader
	default:
		return position
	}
}
