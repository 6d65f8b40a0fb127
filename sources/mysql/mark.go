package mysql

import (
	"fmt"
	"sync"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// mark is the backfill.Mark of this package: the token of what was delivered.
type mark struct{ token token }

// delivered is the newest token that was emitted. Safe for concurrent use.
type delivered struct {
	mu     sync.Mutex
	resume cdc.Resume
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
	return &mark{token: t}
}

// takeMark returns the mark that m is.
func takeMark(m backfill.Mark) (*mark, error) {
	taken, ok := m.(*mark)
	if !ok || taken.token.place.file == "" {
		return nil, fmt.Errorf("the mark (%T) was not made by this source while it tailed", m)
	}
	return taken, nil
}
