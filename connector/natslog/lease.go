package natslog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"tailstock/connector"
)

// DefaultLeaseTTL is how long a lease outlives its holder.
const DefaultLeaseTTL = 10 * time.Second

// Lease is held by one daemon at a time, as far as clocks can promise: nothing
// may rest on it but who tries first. It is kept as one key of the state. The
// holder writes it anew every third of its ttl; another takes it when it has
// seen the same revision for a whole ttl by its own clock, so clocks need not
// agree, or at once when the holder was a process of this machine that has ended:
// a crashed daemon that is started again need not wait for itself. It is safe for
// concurrent use.
type Lease struct {
	c      *Client
	name   string
	ttl    time.Duration
	holder string

	mu       sync.Mutex
	held     bool
	revision uint64
	since    time.Time
}

// leaseRecord is what the state keeps of a held lease.
type leaseRecord struct {
	// Holder is the random identity of one Lease value of one process.
	Holder string `json:"holder"`
	// Host and PID are for people, and with Machine and Started they tell
	// another process of the same machine that this one has ended.
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Machine string    `json:"machine,omitempty"`
	Started string    `json:"started,omitempty"`
	Since   time.Time `json:"since"`
	// TTL is how long others wait for a holder that has fallen silent, in milliseconds.
	TTL int64 `json:"ttl_ms"`
}

// Lease returns the lease called name: letters, digits, slashes, hyphens and
// underscores. ttl is how long others wait for a silent holder; 0 means DefaultLeaseTTL.
func (c *Client) Lease(name string, ttl time.Duration) (*Lease, error) {
	if !leasePattern.MatchString(name) {
		return nil, fmt.Errorf("lease %q: want letters, digits, slashes, hyphens and underscores", name)
	}
	if ttl == 0 {
		ttl = DefaultLeaseTTL
	}
	return &Lease{c: c, name: name, ttl: ttl, holder: newID()}, nil
}

// Hold waits for the lease, runs f while renewing it, and gives it back. While
// the server is away nobody can take the lease, so f runs on: it ends when a
// renewal finds another holder.
func (l *Lease) Hold(ctx context.Context, f func(ctx context.Context) error) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	held, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { l.keep(renewing, lost) })
	err := f(held)
	stop()
	wg.Wait()
	if cause := context.Cause(held); errors.Is(cause, connector.ErrLeaseLost) {
		return cause
	}
	l.release(ctx)
	return err
}

// Check renews the lease now. It fails with connector.ErrLeaseLost if another
// holds it, or this value does not; and with another error if the server cannot
// be asked, which says nothing about the lease.
func (l *Lease) Check(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		return fmt.Errorf("lease %s is not held: %w", l.name, connector.ErrLeaseLost)
	}
	return l.renew(ctx)
}

// acquire waits until the lease is this value's.
func (l *Lease) acquire(ctx context.Context) error {
	poll := time.NewTicker(min(l.ttl/4, time.Second))
	defer poll.Stop()
	var seen uint64 // revision of another holder's record
	var since time.Time
	for {
		record, e, err := l.read(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("take lease %s: %w", l.name, err)
		}
		if e.revision != seen {
			seen, since = e.revision, time.Now()
		}
		if !e.found || record.Holder == l.holder || l.died(&record) || time.Since(since) >= max(l.ttl, record.ttl()) {
			err := l.take(ctx, e.revision)
			if err == nil || !errors.Is(err, errConflict) {
				return err
			}
			continue // someone was faster: look again
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *leaseRecord) ttl() time.Duration { return time.Duration(r.TTL) * time.Millisecond }

// died reports whether the holder was a process of this machine that has ended.
// The name of the host is compared as well, for containers that share a kernel.
func (l *Lease) died(r *leaseRecord) bool {
	here := machine()
	return here != "" && r.Machine == here && r.Host == l.c.host && r.Started != "" && processDied(r.PID, r.Started)
}

func (l *Lease) read(ctx context.Context) (leaseRecord, entry, error) {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	var record leaseRecord
	e, err := l.state().read(ctx, leaseKey(l.name), &record)
	return record, e, err
}

// bound gives a request a third of the ttl: a server that went away in the
// middle of one leaves it unanswered, and another must fit before the lease ends.
func (l *Lease) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(requestTimeout, l.ttl/3))
}

func (l *Lease) state() *state { return l.c.stateOn(l.c.nc, l.c.js) }

// take writes a record of this holder over the given revision.
func (l *Lease) take(ctx context.Context, revision uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Now().UTC().Truncate(time.Millisecond)
	return l.write(ctx, revision)
}

// write renews the record. mu must be held.
func (l *Lease) write(ctx context.Context, revision uint64) error {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	_, started := processStat(os.Getpid())
	record := leaseRecord{
		Holder: l.holder, Host: l.c.host, PID: os.Getpid(), Machine: machine(), Started: started,
		Since: l.since, TTL: l.ttl.Milliseconds(),
	}
	next, err := l.state().write(ctx, leaseKey(l.name), record, revision)
	if err != nil {
		return err
	}
	l.held, l.revision = true, next
	return nil
}

// renew proves that the lease is still this value's, and makes it last another
// ttl. mu must be held.
func (l *Lease) renew(ctx context.Context) error {
	err := l.write(ctx, l.revision)
	if !errors.Is(err, errConflict) {
		return err
	}
	// The record changed: by a renewal of our own whose answer was lost, by a
	// server that lost it, or by another holder.
	record, e, err := l.read(ctx)
	if err != nil {
		return fmt.Errorf("renew lease %s: %w", l.name, err)
	}
	if !e.found || record.Holder == l.holder {
		err = l.write(ctx, e.revision)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
	l.held = false
	return fmt.Errorf("lease %s: now held by process %d on %s: %w", l.name, record.PID, record.Host, connector.ErrLeaseLost)
}

// keep renews the lease until ctx ends. It reports only that it is lost: a server
// that is away cannot give it to another.
func (l *Lease) keep(ctx context.Context, lost context.CancelCauseFunc) {
	tick := time.NewTicker(l.ttl / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.Check(ctx); errors.Is(err, connector.ErrLeaseLost) {
			lost(err)
			return
		}
	}
}

// release gives the lease back, for another to take at once. What cannot be
// given back expires.
func (l *Lease) release(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		return
	}
	l.held = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	_ = l.state().remove(ctx, leaseKey(l.name), l.revision) // the ttl does the same, later
}

// LeaseHolder is who holds a lease, for people.
type LeaseHolder struct {
	Name  string
	Host  string
	PID   int
	Since time.Time
}

// Leases lists the held leases, sorted by name. A holder that died is listed
// until another takes over.
func (c *Client) Leases(ctx context.Context) ([]LeaseHolder, error) {
	s := c.stateOn(c.nc, c.js)
	keys, err := s.keys(ctx, leaseKey(">"))
	if err != nil {
		return nil, err
	}
	var out []LeaseHolder
	for _, key := range keys {
		var record leaseRecord
		e, err := s.read(ctx, key, &record)
		if err != nil {
			return nil, err
		}
		if e.found {
			out = append(out, LeaseHolder{key[len(leaseKey("")):], record.Host, record.PID, record.Since})
		}
	}
	return out, nil
}
