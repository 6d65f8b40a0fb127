package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// JobRetry reads single rows again, by their keys, which could not be mapped, and
// states them anew: a row that is gone as a delete, and one that still cannot be
// mapped as a problem, with a new reject. It never halts the capture.
const JobRetry JobKind = "retry"

// retryName stands for the transaction of rows that were read again.
const retryName = "retry"

// Bounds of what retries may ask for: they are kept with the jobs of their source.
const (
	// MaxRetry is the most rows of one retry.
	MaxRetry = 1_000
	// MaxRetryBytes bounds the texts of the keys of all retries of a source.
	MaxRetryBytes = 256 << 10
)

// RetryRow is a row to be read again because of a reject.
type RetryRow struct {
	RejectRef
	// Key has the key's values. Without it they are those that Row is the text of.
	Key backfill.Key `json:"key,omitempty"`
}

// size is about how much of MaxRetryBytes r takes.
func (r *RetryRow) size() int {
	n := len(r.Table) + len(r.Mapping) + len(r.Row)
	for _, v := range r.Key {
		n += len(v)
	}
	return n
}

// RetryStatus is how far a retry has come.
type RetryStatus struct {
	// Asked is how many rejects are tried again.
	Asked int `json:"asked"`
	// Gone counts rows that the source does not have any more. Rejected, under some
	// mapping, are rows that cannot be mapped still, and Unresolved are those that wait for
	// a row of a lookup.
	Gone       int `json:"gone"`
	Rejected   int `json:"rejected"`
	Unresolved int `json:"unresolved"`
	// Unreadable is how many could not be looked for, because their keys do not fit the
	// table any more. Their rejects stay.
	Unreadable int `json:"unreadable"`
}

// retryRead is the reading of rows of one table for a retry.
type retryRead struct {
	rows []RetryRow
	keys []backfill.Key // each once
	// left are the rejects that stay, by their ids: their rows are not right yet.
	left   map[uint64]bool
	status RetryStatus
}

func (l *loader) newAskedRetry(id string, spec *JobSpec) (*job, error) {
	size := 0
	for i := range spec.Rejects {
		size += spec.Rejects[i].size()
	}
	for _, j := range l.jobs {
		for _, t := range j.tables {
			for i := 0; t.retry != nil && i < len(t.retry.rows); i++ {
				size += t.retry.rows[i].size()
			}
		}
	}
	switch {
	case len(spec.Tables) > 0 || spec.From != nil || spec.To != nil || spec.Where != "":
		return nil, &JobError{"a retry is of rejects"}
	case len(spec.Rejects) == 0 || len(spec.Rejects) > MaxRetry:
		return nil, &JobError{fmt.Sprintf("a retry of %d rejects: want 1 to %d", len(spec.Rejects), MaxRetry)}
	case size > MaxRetryBytes:
		return nil, &JobError{"too many retries wait already: wait until they are over, see \"tailstock backfill list\""}
	}
	j := &job{id: id, kind: JobRetry, reason: reasonAsked, asked: time.Now()}
	if table, ok := j.retry(spec.Rejects, func(table string) *tableRead { return newTableRead(table, l.s.mappings) }); !ok {
		return nil, l.unmapped(table)
	}
	for _, t := range j.tables {
		if err := t.retry.findKeys(); err != nil {
			return nil, &JobError{err.Error()}
		}
	}
	j.plan(spec.JobPace)
	return j, nil
}

// retry gives j the tables that rows are of. It fails with a table that is not mapped.
func (j *job) retry(rows []RetryRow, read func(table string) *tableRead) (table string, ok bool) {
	tables := make(map[string]*tableRead)
	for i := range rows {
		r := &rows[i]
		t := tables[r.Table]
		if t == nil {
			if t = read(r.Table); t == nil {
				return r.Table, false
			}
			t.retry = &retryRead{}
			tables[r.Table] = t
			j.tables = append(j.tables, t)
		}
		t.retry.rows = append(t.retry.rows, *r)
	}
	return "", true
}

// findKeys finds the keys to read.
func (r *retryRead) findKeys() error {
	seen := make(map[cdc.RowKey]bool)
	r.keys = make([]backfill.Key, 0, len(r.rows))
	for i := range r.rows {
		row := &r.rows[i]
		if seen[row.Row] {
			continue
		}
		seen[row.Row] = true
		key := row.Key
		if key == nil {
			var ok bool
			if key, ok = parseRowKey(row.Row, nil); !ok {
				return fmt.Errorf("row %s of table %s cannot be found by that: its key is longer than %d bytes; "+
					"state it anew with \"tailstock backfill --where\"", row.Row, row.Table, cdc.MaxRowKey)
			}
		}
		r.keys = append(r.keys, key)
	}
	return nil
}

// begin has t read all of its rows, from the first one on.
func (r *retryRead) begin(t *tableRead) {
	r.left, r.status = make(map[uint64]bool), RetryStatus{Asked: len(r.rows)}
	t.keys = &keyReading{page: r.keys}
	t.rows = 0
	t.estimate.Store(int64(len(r.keys)))
	t.planner = backfill.NewPlanner(backfill.Plan{Table: t.table, Keys: r.keys, MaxRows: chunkRows})
}

// stays notes that the rejects of a row under a mapping stay, under all if it is empty.
func (r *retryRead) stays(row cdc.RowKey, under inventory.MappingID) {
	for i := range r.rows {
		if x := &r.rows[i]; x.Row == row && (under == "" || x.Mapping == under) {
			r.left[x.ID] = true
		}
	}
}

// unreadable notes that a key cannot be looked for.
func (r *retryRead) unreadable(key *backfill.Key) {
	r.status.Unreadable++
	n := 0
	seen := make(map[cdc.RowKey]bool)
	for i := range r.rows {
		row := r.rows[i].Row
		if seen[row] {
			continue
		}
		seen[row] = true
		if &r.keys[n] == key {
			r.stays(row, "")
			return
		}
		n++
	}
}

// settled are the rejects whose rows are stated without a problem, or are not there.
func (r *retryRead) settled() (out []RejectRef) {
	for i := range r.rows {
		if ref := r.rows[i].RejectRef; !r.left[ref.ID] {
			out = append(out, ref)
		}
	}
	return out
}

// retried makes the events of the placed rows of a chunk of t that were read again.
func (l *loader) retried(t *tableRead, prepared *chunkResult, placed []backfill.Placed) *readRows {
	r := &readRows{name: retryName, readAt: prepared.chunk.ReadAt}
	each := len(t.mappings)
	for _, p := range placed {
		if p.Index < 0 {
			t.retry.status.Gone++
			for _, m := range t.mappings {
				e := inventory.Event{Op: cdc.OpDelete, Table: t.name, Mapping: m.ID(), Row: p.Key}
				r.events = append(r.events, inventory.AppendEvent(nil, &e))
			}
			continue
		}
		rejected, waits := false, false
		for i, m := range t.mappings {
			at := p.Index*each + i
			if reject, ok := prepared.rejects[at]; ok {
				reject.Transaction = retryName
				r.rejects = append(r.rejects, reject)
				t.retry.stays(p.Key, m.ID())
				rejected = true
			} else if prepared.waits[at] {
				t.retry.stays(p.Key, m.ID())
				waits = true
			}
			r.events = append(r.events, prepared.stated.at(at))
		}
		if rejected {
			t.retry.status.Rejected++
		} else if waits {
			t.retry.status.Unresolved++
		}
	}
	return r
}

// retries is how far j has come if it is a retry.
func (j *job) retries() *RetryStatus {
	if j.kind != JobRetry {
		return nil
	}
	sum := new(RetryStatus)
	for _, t := range j.tables {
		s := &t.retry.status
		sum.Asked += s.Asked
		sum.Gone += s.Gone
		sum.Rejected += s.Rejected
		sum.Unresolved += s.Unresolved
		sum.Unreadable += s.Unreadable
	}
	return sum
}

// rejects are those that j tries again.
func (j *job) rejects() (out []RetryRow) {
	for _, t := range j.tables {
		if t.retry != nil {
			out = append(out, t.retry.rows...)
		}
	}
	return out
}

// isolateAll finds the keys of the current job that cannot be read.
func (l *loader) isolateAll() {
	for _, t := range l.job.tables {
		l.isolate(t)
	}
}

// settle has the rejects removed whose rows the current job, a retry, has set right:
// what it stated is durable.
func (l *loader) settle() {
	var refs []RejectRef
	for _, t := range l.job.tables {
		refs = append(refs, t.retry.settled()...)
	}
	l.settling <- refs
	l.job.phase = jobEnding
}

// settleRejects removes rejects as they come, until ctx ends. Those that cannot be
// removed, as for want of a permission, stay, and are shown as resolved.
func (l *loader) settleRejects(ctx context.Context) error {
	for {
		select {
		case refs := <-l.settling:
			switch err := l.s.run.Settle(ctx, refs); {
			case ctx.Err() != nil, errors.Is(err, ErrLogChanged), errors.Is(err, ErrLeaseLost):
				return err
			case err != nil:
				l.s.c.cfg.Logger.WarnContext(ctx, "rejects that were tried again were not removed; drop those that are resolved", "error", err)
			}
			l.settled <- struct{}{}
			l.s.c.cfg.Adapter.Nudge()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
