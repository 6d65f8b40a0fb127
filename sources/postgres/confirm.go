package postgres

import (
	"slices"
	"sync"

	"tailstock/connector/cdc"
)

// maxUnseen bounds the commits remembered as not known to be visible. Commits
// that really are invisible are at most as many as the server has sessions; the
// rest are those that no snapshot has been taken since, and the reader waits for
// one rather than remember more.
const maxUnseen = 1 << 16

// unseen is a commit that has been streamed and is not known to be visible.
type unseen struct {
	xid uint64
	// start is where its commit record starts. While the confirmed position is
	// not beyond it, the server streams it again after a restart.
	start lsn
}

// confirmation decides which position may be confirmed to the server: not
// beyond what is durable downstream, what has been read, and what is visible.
// Safe for concurrent use.
//
// Because no position is confirmed before all commits up to it are visible, a
// restart streams those again that may be invisible, and the list of them is
// complete at any time without being stored anywhere.
type confirmation struct {
	mu sync.Mutex
	// requested is the furthest token known to be durable downstream.
	requested token
	// server is the one that is, or was last, read.
	server server
	// floor is what the slot has confirmed already.
	floor lsn
	// read is where the next commit record may start at the earliest.
	read lsn
	// latest is the newest snapshot.
	latest snapshot
	// unseen are in commit order.
	unseen []unseen
}

// Confirm records that everything up to r is durable downstream. It never
// blocks, may be called from any goroutine and at any time, and never moves
// back; a token that is not of this source is ignored. The server is told with
// a later status update, a second later at the latest while Tail runs and the
// commits up to r are visible.
func (s *Source) Confirm(r cdc.Resume) {
	t, err := parseToken(r)
	if err != nil {
		s.log.Warn("confirmed token is not of this source", "token", string(r))
		return
	}
	s.confirm.request(t)
}

func (c *confirmation) request(t token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requested.server.system != t.server.system || c.requested.position < t.position {
		c.requested = t
	}
}

// begin starts anew for a stream that reads from floor and emits from from. A
// request beyond from is forgotten: downstream lost what it was made for.
func (c *confirmation) begin(from token, floor lsn, snap snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server, c.floor, c.read, c.latest, c.unseen = from.server, floor, floor, snap, nil
	if c.requested.server.system == from.server.system && c.requested.position > from.position {
		c.requested.position = from.position
	}
}

// committed notes a commit that was read, and reports whether there is room
// for another. It must be called before the commit's token is handed on.
func (c *confirmation) committed(xid uint32, start, end lsn) (room bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = max(c.read, end)
	if wide := c.latest.widen(xid); !c.latest.visible(wide) {
		c.unseen = append(c.unseen, unseen{wide, start})
	}
	return len(c.unseen) < maxUnseen
}

// passed notes that every commit record that starts before position was read.
func (c *confirmation) passed(position lsn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = max(c.read, position)
}

// observe forgets the commits that snap sees.
func (c *confirmation) observe(snap snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = snap
	c.unseen = slices.DeleteFunc(c.unseen, func(u unseen) bool { return snap.visible(u.xid) })
	if len(c.unseen) == 0 {
		c.unseen = nil
	}
}

// pending returns the number of commits that are not known to be visible.
func (c *confirmation) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.unseen)
}

// positions returns what may be confirmed now, which never moves back, and what has been read.
func (c *confirmation) positions() (flush, read lsn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requested.server.system == c.server.system {
		limit := c.read
		if len(c.unseen) > 0 {
			limit = min(limit, c.unseen[0].start)
		}
		c.floor = max(c.floor, min(limit, c.requested.position))
	}
	return c.floor, c.read
}
