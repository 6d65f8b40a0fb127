package connector

import (
	"cmp"
	"context"
	"iter"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// chunkRequest asks for a chunk of a table to be read and mapped.
type chunkRequest struct {
	table *tableRead
	// planner is the table's as of the request: a job that was parked has another.
	planner *backfill.Planner
	// given is the table's count of what was given up, as of the request.
	given int
	step  *backfill.Step
	mark  backfill.Mark
	// whole says that feeds are filled which hold nothing yet, so that rows which map
	// to nothing need not be stated.
	whole bool
}

// chunkResult is what came of it.
type chunkResult struct {
	chunkRequest
	chunk *backfill.Chunk
	took  time.Duration
	// stated has the events of each row of the chunk, one for each mapping of the table
	// in turn, and rejects those with a problem by their place there.
	stated  encodedEvents
	rejects map[int]Reject
	// waits has the places of those that wait for a row of a lookup.
	waits map[int]bool
	err   error
}

// encodedEvents are events as they go into the log, in one text.
type encodedEvents struct {
	text []byte
	ends []int
}

func (e *encodedEvents) add(event *inventory.Event) {
	e.text = inventory.AppendEvent(e.text, event)
	e.ends = append(e.ends, len(e.text))
}

// skip takes the place of an event that is not stated.
func (e *encodedEvents) skip() { e.ends = append(e.ends, len(e.text)) }

func (e *encodedEvents) len() int { return len(e.ends) }

// at returns the text of an event, empty if it is not stated.
func (e *encodedEvents) at(i int) []byte {
	from := 0
	if i > 0 {
		from = e.ends[i-1]
	}
	return e.text[from:e.ends[i]]
}

// chunkReader reads, maps and encodes chunks beside the stream, so that placing one
// takes little of the stream's time. It is used by one goroutine.
type chunkReader struct {
	source  string
	adapter backfill.Reader
	lookups *mapping.Lookups
	// name stands for the transaction of what is read, in rejects; readName if empty.
	name string
	// programs are the mappings of the table read last, compiled for version bound of it.
	table    *tableRead
	bound    *cdc.Table
	programs []*mapping.Program
	// contributions is used again for every row, and eventBytes about the length of an
	// encoded event.
	contributions []inventory.Contribution
	eventBytes    int
	// unresolved counts the rows that wait for a row of a lookup.
	unresolved int
}

// run reads what comes from requests until ctx ends. results never blocks: it has
// room for every request under way.
func (r *chunkReader) run(ctx context.Context, requests <-chan chunkRequest, results chan<- chunkResult) error {
	for {
		select {
		case request := <-requests:
			result := r.read(ctx, request)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			results <- result
			r.adapter.Nudge()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *chunkReader) read(ctx context.Context, request chunkRequest) chunkResult {
	out := chunkResult{chunkRequest: request}
	if out.chunk, out.err = r.adapter.Read(ctx, request.mark, request.step.Request); out.err != nil {
		return out
	}
	if out.err = out.chunk.Prepare(); out.err != nil {
		return out
	}
	if !request.table.mapsLate() {
		out.err = r.mapRows(&out)
	}
	out.took = time.Since(out.chunk.ReadAt)
	return out
}

// bind compiles the mappings of t for a version of its table.
func (r *chunkReader) bind(t *tableRead, version *cdc.Table) error {
	if r.table == t && r.bound == version {
		return nil
	}
	r.table, r.bound, r.programs = nil, nil, nil
	var programs []*mapping.Program
	for _, m := range t.mappings {
		program, err := m.Bind(version, r.lookups)
		if err != nil {
			return &cdc.SetupError{
				Object: "table " + version.Name.String(), Problem: "its mapping does not fit its columns",
				Fix: "correct the mapping or the table, then restart", Err: err,
			}
		}
		programs = append(programs, program)
	}
	r.table, r.bound, r.programs = t, version, programs
	return nil
}

// mapRows makes the events of every row.
func (r *chunkReader) mapRows(out *chunkResult) error {
	t, c := out.table, out.chunk
	if err := r.bind(t, c.Table); err != nil {
		return err
	}
	return r.mapAll(out, func(yield func(cdc.RowKey, cdc.Row) bool) {
		for i, row := range c.Rows {
			if !yield(c.Key(i), row) {
				return
			}
		}
	}, len(c.Rows))
}

// mapPlaced makes the events of the rows of a chunk that are placed.
func (r *chunkReader) mapPlaced(t *tableRead, c *backfill.Chunk, placed []backfill.Placed) (*chunkResult, error) {
	out := &chunkResult{chunkRequest: chunkRequest{table: t}, chunk: c}
	if err := r.bind(t, c.Table); err != nil {
		return nil, err
	}
	return out, r.mapAll(out, func(yield func(cdc.RowKey, cdc.Row) bool) {
		for i := range placed {
			if !yield(placed[i].Key, placed[i].Row) {
				return
			}
		}
	}, len(placed))
}

// mapAll makes the events of count rows.
func (r *chunkReader) mapAll(out *chunkResult, rows iter.Seq2[cdc.RowKey, cdc.Row], count int) error {
	t, n := out.table, count*len(r.programs)
	out.stated = encodedEvents{text: make([]byte, 0, n*r.eventBytes), ends: make([]int, 0, n)}
	for key, row := range rows {
		for i, program := range r.programs {
			e := inventory.Event{Op: cdc.OpRead, Table: t.name, Mapping: t.mappings[i].ID(), Row: key}
			switch e.Contributions, e.Problem = program.Map(row, r.contributions[:0]); {
			case e.Problem == nil:
				r.contributions = e.Contributions
			case e.Problem.Kind == inventory.Unresolved:
				e.Contributions = nil
				r.unresolved++
				out.wait()
			default:
				e.Contributions = nil
				r.reject(out, row, &e)
			}
			if out.whole && e.Problem == nil && len(e.Contributions) == 0 {
				out.stated.skip()
				continue
			}
			out.stated.add(&e)
		}
	}
	if n > 0 {
		r.eventBytes = len(out.stated.text)/n + 16
	}
	return nil
}

// wait notes that the next event waits for a row of a lookup.
func (c *chunkResult) wait() {
	if c.waits == nil {
		c.waits = make(map[int]bool)
	}
	c.waits[c.stated.len()] = true
}

// reject notes that row could not be mapped.
func (r *chunkReader) reject(out *chunkResult, row cdc.Row, e *inventory.Event) {
	if out.rejects == nil {
		out.rejects = make(map[int]Reject)
	}
	out.rejects[out.stated.len()] = newReject(r.source, &cdc.Transaction{ID: cmp.Or(r.name, readName), CommittedAt: out.chunk.ReadAt},
		&cdc.NetChange{Op: cdc.OpRead, Table: out.chunk.Table, Key: e.Row, After: row}, e)
}

// readName stands for the transaction of rows that were read.
const readName = "load"
