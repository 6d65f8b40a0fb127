package postgres

import (
	"fmt"

	"tailstock/connector/backfill"
)

// mark is the backfill.Mark of this package: the commits that were delivered
// and are not known to be visible.
type mark struct {
	server server
	xids   []uint64
}

// Mark notes the commits that were read from the stream and are not known to be
// visible. That includes commits that are decoded and not emitted yet: a chunk
// waits for them too, which costs a moment and can do no harm, since they are
// emitted behind the mark and the chunk sees them. It lacks none that was
// emitted, because a commit is noted before it is handed on, and a Tail that
// begins anew emits nothing before it has read again everything that is not
// known to be visible. It does not block.
func (s *Source) Mark() backfill.Mark { return s.confirm.mark() }

func (c *confirmation) mark() *mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &mark{server: c.server}
	for _, u := range c.unseen {
		m.xids = append(m.xids, u.xid)
	}
	return m
}

// takeMark returns the mark that m is.
func takeMark(m backfill.Mark) (*mark, error) {
	taken, ok := m.(*mark)
	if !ok || taken.server.system == "" {
		return nil, fmt.Errorf("the mark (%T) was not made by this source while it tailed", m)
	}
	return taken, nil
}

// invisible returns a marked transaction that snap does not see.
func (m *mark) invisible(snap *snapshot) (xid uint64, found bool) {
	for _, xid := range m.xids {
		if !snap.visible(xid) {
			return xid, true
		}
	}
	return 0, false
}
