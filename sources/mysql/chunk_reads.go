package mysql

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"tailstock/connector/cdc"
)

// planAge is for how long a plan is used without a look at the catalog, apart
// from the table's definition, which every chunk compares.
const planAge = 10 * time.Second

// chunkReads keeps what chunks need: idle sessions, each for one use at a time,
// and the plans of tables. A Read that finds no idle session opens one; how many
// there are is up to the callers. The zero value is ready. Safe for concurrent use.
type chunkReads struct {
	mu     sync.Mutex
	db     *sql.DB
	idle   []*readSession
	closed bool
	// await replaces (*reading).awaitMark if it is not nil: tests prove that what is
	// not awaited is found.
	await func(*reading, context.Context) error
	// see replaces what a view sees if it is not nil: tests prove that claims which
	// are too large are found. It is called once the view is there.
	see func(*reading, context.Context) (func(*cdc.Transaction) bool, error)
	// generation counts the calls of forget.
	generation int
	plans      map[cdc.TableName]*chunkPlan
}

// forget drops the plans, which other tables and columns are wanted by now.
func (r *chunkReads) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plans = nil
	r.generation++
}

// plan returns the plan of a table that may still be used, or nil.
func (r *chunkReads) plan(table cdc.TableName) (plan *chunkPlan, generation int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if plan = r.plans[table]; plan != nil && time.Since(plan.made) > planAge {
		plan = nil
	}
	return plan, r.generation
}

// keep keeps a plan that was begun in the given generation.
func (r *chunkReads) keep(plan *chunkPlan, generation int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if generation != r.generation {
		return
	}
	if r.plans == nil {
		r.plans = make(map[cdc.TableName]*chunkPlan)
	}
	r.plans[plan.table.Name] = plan
}

// drop forgets a plan that proved wrong.
func (r *chunkReads) drop(plan *chunkPlan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plans[plan.table.Name] == plan {
		delete(r.plans, plan.table.Name)
	}
}

var errClosed = errors.New("the source is closed")

// use calls f with a session, once more with a new one if an idle one had broken.
// f must leave it outside of any transaction.
func (r *chunkReads) use(ctx context.Context, c Config, f func(*readSession) error) error {
	for {
		s, kept, err := r.take(ctx, c)
		if err != nil {
			return err
		}
		err = f(s)
		r.put(s, err)
		if err == nil || !kept || !broken(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (r *chunkReads) take(ctx context.Context, c Config) (s *readSession, kept bool, err error) {
	db, s, err := r.takeIdle(c)
	if s != nil || err != nil {
		return s, s != nil, err
	}
	s, err = newReadSession(ctx, db)
	return s, false, err
}

func (r *chunkReads) takeIdle(c Config) (*sql.DB, *readSession, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, errClosed
	}
	if n := len(r.idle); n > 0 {
		s := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return nil, s, nil
	}
	if r.db == nil {
		db, err := c.openReads()
		if err != nil {
			return nil, nil, err
		}
		r.db = db
	}
	return r.db, nil, nil
}

// put keeps a session whose last use ended with err.
func (r *chunkReads) put(s *readSession, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || broken(err) {
		s.forget()
		_ = s.Close() // what it was used for is over
		return
	}
	r.idle = append(r.idle, s)
}

// close closes what is idle, and what is in use as soon as it is not.
func (r *chunkReads) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, s := range r.idle {
		s.forget()
		_ = s.Close() // as in put
	}
	r.idle = nil
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}
