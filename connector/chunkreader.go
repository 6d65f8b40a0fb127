package connector

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// chunkRequest asks for a chunk of a table to be read and mapped.
type chunkRequest struct {
	table *tableLoad
	step  *backfill.Step
	mark  backfill.Mark
}

// chunkResult is what came of it.
type chunkResult struct {
	chunkRequest
	chunk *backfill.Chunk
	took  time.Duration
	// events has the event of each row of the chunk, rejects those with a problem by row.
	events  []inventory.Event
	rejects map[int]Reject
	err     error
}

// chunkReader reads and maps chunks beside the stream, so that placing one takes
// little of the stream's time. It is used by one goroutine.
type chunkReader struct {
	source  string
	adapter backfill.Reader
	// bound is the mapping of the last chunk's table, compiled for that version.
	bound   *cdc.Table
	mapping *mapping.Mapping
	program *mapping.Program
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
	out.err = r.mapRows(&out)
	out.took = time.Since(out.chunk.ReadAt)
	return out
}

// mapRows makes the event of every row.
func (r *chunkReader) mapRows(out *chunkResult) error {
	m, c := out.table.mapping, out.chunk
	if r.bound != c.Table || r.mapping != m {
		program, err := m.Bind(c.Table)
		if err != nil {
			return &cdc.SetupError{
				Object: "table " + c.Table.Name.String(), Problem: "its mapping does not fit its columns",
				Fix: "correct the mapping or the table, then restart", Err: err,
			}
		}
		r.bound, r.mapping, r.program = c.Table, m, program
	}
	out.events = make([]inventory.Event, len(c.Rows))
	contributions := make([]inventory.Contribution, 0, len(c.Rows))
	for i, row := range c.Rows {
		e := inventory.Event{Op: cdc.OpRead, Table: out.table.feed.Table, Mapping: out.table.feed.Mapping}
		from := len(contributions)
		if contributions, e.Problem = r.program.Map(row, contributions); e.Problem != nil {
			key, err := c.Table.KeyOf(row)
			if err != nil {
				return fmt.Errorf("key of a row of table %s: %w", c.Table.Name, err)
			}
			e.Row = key
			if out.rejects == nil {
				out.rejects = make(map[int]Reject)
			}
			out.rejects[i] = newReject(r.source, &cdc.Transaction{ID: readName, CommittedAt: c.ReadAt},
				&cdc.NetChange{Op: cdc.OpRead, Table: c.Table, Key: key, After: row}, &e)
		}
		e.Contributions = contributions[from:len(contributions):len(contributions)]
		out.events[i] = e
	}
	return nil
}

// readName stands for the transaction of rows that were read.
const readName = "load"
