package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"tailstock/connector"
)

// keepReportEvery is how often a report is kept. Keeping costs a sync to disk.
const keepReportEvery = 3 * time.Second

// Reporter carries a store's reports about sources to the captures: it announces
// every one, and keeps the newest of each source every few seconds. Close it to
// keep what was not kept yet. It is safe for concurrent use.
type Reporter struct {
	c     *Client
	lease connector.Lease

	wg      sync.WaitGroup
	mu      sync.Mutex
	closed  bool
	sources map[string]*reportedSource // by store and source
}

// reportedSource is the newest report of one store about one source.
type reportedSource struct {
	newest   reportRecord
	kept     bool // newest is kept
	keeping  bool // a goroutine keeps it now
	at       time.Time
	revision uint64
	read     bool // revision was read under the lease
	failed   error
}

// Reporter returns a Reporter. It keeps reports while lease is held; a nil lease
// is always held.
func (c *Client) Reporter(lease connector.Lease) *Reporter {
	return &Reporter{c: c, lease: lease, sources: make(map[string]*reportedSource)}
}

// Report announces r on its subject, and has it kept in the background when the
// last was kept more than a few seconds ago. It returns the error of the last
// attempt to keep a report about the source, once.
func (p *Reporter) Report(ctx context.Context, r connector.StoreReport) error {
	if !storePattern.MatchString(r.Store) || !sourcePattern.MatchString(r.Source) {
		return fmt.Errorf("report of store %q about source %q: not the names of a store and a source", r.Store, r.Source)
	}
	record := newReportRecord(&r, time.Now())
	body, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("report of store %s: %w", r.Store, err)
	}
	failed := p.note(ctx, record)
	if err := p.c.nc.Publish(p.c.names.reportSubject(r.Source, r.Store), body); err != nil {
		return fmt.Errorf("report of store %s about source %s: %w", r.Store, r.Source, err)
	}
	return failed
}

// note makes record the newest, and starts to keep it if it is time.
func (p *Reporter) note(ctx context.Context, record reportRecord) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sources[reportKey(record.Source, record.Store)]
	if s == nil {
		s = &reportedSource{}
		p.sources[reportKey(record.Source, record.Store)] = s
	}
	s.newest, s.kept = record, false
	failed := s.failed
	s.failed = nil
	if !p.closed && !s.keeping && time.Since(s.at) >= keepReportEvery {
		s.keeping, s.at = true, time.Now()
		p.wg.Go(func() { p.keep(context.WithoutCancel(ctx), s) })
	}
	return failed
}

// keep writes the newest report of s to the state.
func (p *Reporter) keep(ctx context.Context, s *reportedSource) {
	p.mu.Lock()
	record, revision, read := s.newest, s.revision, s.read
	p.mu.Unlock()
	revision, err := p.write(ctx, &record, revision, read)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && !read {
		p.repeat(&s.newest)
	}
	s.keeping, s.failed = false, err
	s.revision, s.read = revision, err == nil
	s.kept = err == nil && s.newest.At.Equal(record.At) && s.newest.Position == record.Position
}

// repeat announces the newest report again once one is kept: a capture that did not
// know the store looked for it in the state, maybe too early.
func (p *Reporter) repeat(record *reportRecord) {
	if body, err := json.Marshal(record); err == nil {
		_ = p.c.nc.Publish(p.c.names.reportSubject(record.Source, record.Store), body)
	}
}

// write is a compare-and-set on the revision of the last write; after a conflict
// or at first, on one that is read before the lease is checked.
func (p *Reporter) write(ctx context.Context, record *reportRecord, revision uint64, read bool) (uint64, error) {
	s, key := p.c.stateOn(p.c.nc, p.c.js), reportKey(record.Source, record.Store)
	if !read {
		held, err := s.get(ctx, key)
		if err != nil {
			return 0, err
		}
		if err := checkLease(ctx, p.lease); err != nil {
			return 0, err
		}
		revision = held.revision
	}
	revision, err := s.write(ctx, key, record, revision)
	if err != nil {
		return 0, fmt.Errorf("keep report of store %s about source %s: %w", record.Store, record.Source, err)
	}
	return revision, nil
}

// Close keeps what was reported and not kept, within a bounded time, and ends
// the Reporter.
func (p *Reporter) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wg.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	var failed error
	for _, s := range p.sources {
		if !s.kept && s.newest.Store != "" {
			p.keep(ctx, s)
			failed = errors.Join(failed, s.failed)
		}
	}
	return failed
}
