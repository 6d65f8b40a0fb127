package mysql

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// mark is the backfill.Mark of this package: the token of what was delivered.
type mark struct {
	token token
	// xa are the XA transactions that were delivered and may still be invisible.
	xa []string
	// ring are rows that are locked until everything that was delivered is visible,
	// of a MySQL without GTIDs.
	ring []ringRow
}

// delivered is what was emitted. Safe for concurrent use.
type delivered struct {
	mu     sync.Mutex
	resume cdc.Resume
	// xa are the XA transactions whose commit was decoded and that the engine may
	// not have committed yet, as "gtrid,bqual,formatID" with the first two in hexadecimal.
	xa map[string]bool
}

// decide notes that the commit of an XA transaction was decoded.
func (d *delivered) decide(xid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.xa == nil {
		d.xa = make(map[string]bool)
	}
	d.xa[xid] = true
}

// prepare notes that an XA transaction of that name is prepared, after any earlier
// one was decided.
func (d *delivered) prepare(xid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.xa, xid)
}

// committed forgets XA transactions that XA RECOVER does not list any more.
func (d *delivered) committed(xids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, xid := range xids {
		delete(d.xa, xid)
	}
}

func (d *delivered) set(r cdc.Resume) {
	d.mu.Lock()
	d.resume = r
	d.mu.Unlock()
}

func (d *delivered) get() cdc.Resume {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.resume
}

// Mark notes up to where the stream has delivered, the transaction that is being
// emitted included. It does not block.
func (s *Source) Mark() backfill.Mark {
	t, err := parseToken(s.delivered.get())
	if err != nil {
		return &mark{} // nothing was emitted yet
	}
	return &mark{token: t, xa: s.delivered.undecided(), ring: s.ring.locked()}
}

func (d *delivered) undecided() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.xa))
}

// takeMark returns the mark that m is.
func takeMark(m backfill.Mark) (*mark, error) {
	taken, ok := m.(*mark)
	if !ok || taken.token.place.file == "" {
		return nil, fmt.Errorf("the mark (%T) was not made by this source while it tailed", m)
	}
	return taken, nil
}
