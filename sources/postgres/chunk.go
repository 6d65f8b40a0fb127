package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// Read reads one chunk of a captured table, in a transaction of its own on a
// connection of its own, which is kept for the next Read; Close releases it. The
// rows are those that the publication has, with the captured columns and the key,
// in the order of the key's index. It blocks while a marked transaction is
// invisible and, up to a minute, while DDL holds the table; when ctx ends, the
// statement is cancelled on the server and Read returns the cause.
//
// The role needs SELECT on the whole table, not only on some columns: LOCK TABLE
// does. Memory grows with the rows read, whatever their size.
func (s *Source) Read(ctx context.Context, m backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	chunk, err := s.read(ctx, m, &r)
	if err != nil {
		return nil, fmt.Errorf("read a chunk of table %s: %w", r.Table, orCause(ctx, err))
	}
	return chunk, nil
}

func (s *Source) read(ctx context.Context, m backfill.Mark, r *backfill.Request) (chunk *backfill.Chunk, err error) {
	marked, err := takeMark(m)
	if err != nil {
		return nil, err
	}
	w := tailing.Wait{Log: s.log.With("waits", "a chunk of table "+r.Table.String())}
	for chunk == nil {
		var invisible uint64
		err := s.chunks.use(ctx, func(conn *chunkConn) error {
			reading := reading{source: s, conn: conn, mark: marked, request: r}
			chunk, err = reading.run(ctx)
			invisible = reading.invisible
			return err
		})
		if err != nil {
			return nil, err
		}
		if chunk == nil {
			if err := w.Pause(ctx, invisible); err != nil {
				return nil, err
			}
		}
	}
	return chunk, nil
}

// reading is one attempt to read a chunk.
type reading struct {
	source  *Source
	conn    *chunkConn
	mark    *mark
	request *backfill.Request
	// invisible is a marked transaction that the attempt did not see.
	invisible uint64
}

// replans bounds how often the table may change between the making of its plan
// and its use.
const replans = 5

var errStalePlan = errors.New("the table keeps being altered")

// run makes one attempt, which fails without an error and without a chunk if a
// marked transaction is not visible yet.
func (a *reading) run(ctx context.Context) (chunk *backfill.Chunk, err error) {
	err = errStalePlan
	for i := 0; i < replans && errors.Is(err, errStalePlan); i++ {
		plan, planErr := a.source.plan(ctx, a.conn.Conn, a.request.Table)
		if planErr != nil {
			return nil, planErr
		}
		chunk, err = a.transaction(ctx, plan)
		switch sqlState(err) {
		case stateUndefinedColumn, stateUndefinedTable, statePrivilege:
			err = fmt.Errorf("%w: %w", errStalePlan, err)
		}
		if errors.Is(err, errStalePlan) {
			a.source.plans.drop(plan)
		}
	}
	if sqlState(err) == statePrivilege {
		return nil, a.refused(err)
	}
	return chunk, err
}

// refused is for a right that is missing although everything that is looked at
// beforehand is there.
func (a *reading) refused(err error) error {
	return &cdc.SetupError{
		Object:  "table " + a.request.Table.String(),
		Problem: "the role may not read it as a whole",
		Fix:     "GRANT SELECT ON " + quoteTable(a.request.Table) + " to the role: a right to some of its columns is not enough to read it in chunks",
		Err:     err,
	}
}

// transaction reads the chunk by plan in a transaction, and ends that.
func (a *reading) transaction(ctx context.Context, plan *chunkPlan) (chunk *backfill.Chunk, err error) {
	end := "COMMIT"
	chunk, err = a.chunk(ctx, plan)
	if err != nil || chunk == nil {
		end = "ROLLBACK"
	}
	if a.conn.IsClosed() {
		return nil, err
	}
	// A statement that was cancelled leaves a transaction to end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if _, endErr := a.conn.Exec(ctx, end); err == nil {
		err = endErr
	}
	return chunk, err
}

func (a *reading) chunk(ctx context.Context, plan *chunkPlan) (*backfill.Chunk, error) {
	moment, err := a.begin(ctx, plan)
	if err != nil {
		return nil, err
	}
	if moment.signature != plan.signature {
		return nil, errStalePlan
	}
	if xid, found := a.mark.invisible(&moment.snapshot); found {
		a.invisible = xid
		return nil, nil
	}
	chunk := &backfill.Chunk{
		Table:  plan.table,
		View:   newView(moment.snapshot, a.conn.reach(moment), moment.server),
		ReadAt: time.Now(),
	}
	if a.request.Where != nil {
		return chunk, plan.readSelected(ctx, a.conn, a.request, chunk)
	}
	if chunk.Rows, err = plan.read(ctx, a.conn, a.request); err != nil {
		return nil, err
	}
	if n := len(chunk.Rows); n > 0 {
		chunk.Last = plan.keyOf(chunk.Rows[n-1])
	}
	return chunk, nil
}

// moment is when a transaction began to see.
type moment struct {
	snapshot snapshot
	// text is the server's for snapshot.
	text string
	// end is that of the log at or after the moment.
	end       lsn
	server    server
	signature string
}

// begin begins the transaction.
func (a *reading) begin(ctx context.Context, plan *chunkPlan) (m moment, err error) {
	results, err := a.conn.PgConn().Exec(ctx, plan.beginSQL(a.request)).ReadAll()
	if err != nil {
		return m, err
	}
	const columns = 6
	last := results[len(results)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != columns {
		return m, errors.New("the server's answer has another form")
	}
	row := last.Rows[0]
	if string(row[1]) != "f" {
		return m, errReadStandby()
	}
	timeline, err := strconv.ParseUint(string(row[3]), 16, 31)
	if err != nil {
		return m, fmt.Errorf("read the server's timeline: %w", err)
	}
	m.server = server{string(row[2]), int32(timeline)}
	if m.server != a.mark.server {
		return m, fmt.Errorf("the connection leads to system %s on timeline %d, and the stream comes from system %s on timeline %d: "+
			"the hosts of one dsn are different servers, or a standby has just been promoted",
			m.server.system, m.server.timeline, a.mark.server.system, a.mark.server.timeline)
	}
	if m.end, err = parseLSN(string(row[4])); err != nil {
		return m, err
	}
	m.end = recordEnd(m.end, a.conn.pageBytes, a.conn.segmentBytes)
	m.text, m.signature = string(row[0]), string(row[5])
	m.snapshot, err = parseSnapshot(m.text)
	return m, err
}

// read reads the rows of r.
func (p *chunkPlan) read(ctx context.Context, conn *chunkConn, r *backfill.Request) ([]cdc.Row, error) {
	query, params, err := p.rowsSQL(r)
	if err != nil {
		return nil, err
	}
	rows := chunkRows{table: p.table}
	result := conn.PgConn().ExecParams(ctx, query, params, nil, nil, nil)
	for result.NextRow() {
		rows.add(result.Values())
	}
	if _, err := result.Close(); err != nil {
		return nil, err
	}
	if r.Keys != nil {
		rows.unique()
	}
	return rows.rows, nil
}
