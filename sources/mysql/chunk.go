package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// Read reads one chunk of a captured table, in a transaction of its own on a
// session of its own, which is kept for the next Read; Close releases it. The
// account needs REPLICATION CLIENT (MariaDB: BINLOG MONITOR) to learn where the
// log ends. It
// blocks while a marked transaction is invisible and, up to a minute, while DDL
// holds the table; when ctx ends, the session is closed and Read returns the
// cause. Memory grows with the rows read, whatever their size.
func (s *Source) Read(ctx context.Context, m backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	chunk, err := s.read(ctx, m, &r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("read a chunk of table %s: %w", r.Table, err)
	}
	return chunk, nil
}

func (s *Source) read(ctx context.Context, m backfill.Mark, r *backfill.Request) (chunk *backfill.Chunk, err error) {
	marked, err := takeMark(m)
	if err != nil {
		return nil, err
	}
	w := tailing.Wait{Log: s.log.With("waits", "a chunk of table "+r.Table.String())}
	for {
		err := s.reads.use(ctx, s.cfg, func(session *readSession) (err error) {
			reading := reading{source: s, session: session, mark: marked, request: r}
			chunk, err = reading.run(ctx)
			return err
		})
		var invisible *invisibleError
		if !errors.As(err, &invisible) {
			return chunk, err
		}
		if err := w.Pause(ctx, invisible.what); err != nil {
			return nil, err
		}
	}
}

// reading is one attempt to read a chunk.
type reading struct {
	source  *Source
	session *readSession
	mark    *mark
	request *backfill.Request
}

// replans bounds how often the table may change between the making of its plan
// and its use.
const replans = 5

var errStalePlan = errors.New("the table keeps being altered")

// run makes one attempt. It fails with *invisibleError if a marked transaction is
// not visible yet.
func (a *reading) run(ctx context.Context) (chunk *backfill.Chunk, err error) {
	if err := a.sameServer(); err != nil {
		return nil, err
	}
	await := (*reading).awaitMark
	if a.source.reads.await != nil {
		await = a.source.reads.await
	}
	if err := await(a, ctx); err != nil {
		return nil, err
	}
	err = errStalePlan
	for i := 0; i < replans && errors.Is(err, errStalePlan); i++ {
		plan, planErr := a.source.plan(ctx, a.session, a.request.Table)
		if planErr != nil {
			return nil, planErr
		}
		chunk, err = a.transaction(ctx, plan)
		switch n := errorNumber(err); {
		case n == errTableChanged, n == errUnknownColumn, gone(err), refused(err):
			err = fmt.Errorf("%w: %w", errStalePlan, err)
		}
		if errors.Is(err, errStalePlan) {
			a.source.reads.drop(plan)
			a.session.forget()
		}
	}
	return chunk, err
}

// sameServer refuses a session that leads to another server than the stream's.
func (a *reading) sameServer() error {
	if got, want := a.session.facts.server, a.mark.token.server; got != want {
		return fmt.Errorf("the session leads to the %s server %s, and the stream comes from the %s server %s: "+
			"the dsn has several servers behind it, or the server was just replaced", got.flavor, got.id, want.flavor, want.id)
	}
	return nil
}

// transaction reads the chunk by plan in a transaction, and ends that.
func (a *reading) transaction(ctx context.Context, plan *chunkPlan) (chunk *backfill.Chunk, err error) {
	// The moment is that of this statement. InnoDB refuses to read a table as of
	// before it was altered or emptied (error 1412), so that none seems empty.
	for _, statement := range []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	} {
		if _, err := a.session.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	chunk, err = a.chunk(ctx, plan)
	if broken(err) {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if _, endErr := a.session.ExecContext(ctx, "COMMIT"); endErr != nil {
		return nil, errors.Join(err, endErr)
	}
	return chunk, err
}

func (a *reading) chunk(ctx context.Context, plan *chunkPlan) (*backfill.Chunk, error) {
	chunk := &backfill.Chunk{Table: plan.table, ReadAt: time.Now()}
	// What the view sees was in the log before it was visible.
	high, err := readPlace(ctx, a.session, a.session.facts.statusQuery())
	if err != nil {
		return nil, err
	}
	seen := &view{server: a.mark.token.server, low: a.mark.token.place, high: high}
	if a.source.reads.see != nil {
		if seen.sees, err = a.source.reads.see(a, ctx); err != nil {
			return nil, err
		}
	}
	chunk.View = seen
	if err := plan.read(ctx, a.session, a.request, chunk); err != nil {
		return nil, err
	}
	// Having read from the table, the transaction holds up whoever would alter it.
	definition, err := readDefinition(ctx, a.session, plan.stored)
	if err != nil {
		return nil, err
	}
	if definition != plan.definition {
		return nil, errStalePlan
	}
	return chunk, nil
}

// read reads the rows of r into c, by a prepared statement: the text protocol
// rounds floats.
func (p *chunkPlan) read(ctx context.Context, s *readSession, r *backfill.Request, c *backfill.Chunk) error {
	query, args, err := p.rowsSQL(r)
	if err != nil {
		return err
	}
	stmt, err := s.prepared(ctx, query) //nolint:sqlclosecheck // the session keeps it
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	values := newScan(p.columns)
	keep := true
	into := values.into
	if r.Where != nil {
		into = append(into, &keep)
	}
	refers := p.refers(r.Referring)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row, err := values.row()
		if err != nil {
			return err
		}
		c.Last = p.keyOf(row)
		if r.Where != nil || r.Referring != nil {
			c.Scanned++
		}
		if keep && refers(row) {
			c.Rows = append(c.Rows, row)
		}
	}
	return rows.Err()
}

// scan takes rows of columns apart.
type scan struct {
	columns []*column
	values  []any
	into    []any
}

func newScan(columns []*column) *scan {
	s := &scan{columns: columns, values: make([]any, len(columns))}
	for i := range s.values {
		s.into = append(s.into, &s.values[i])
	}
	return s
}

// row makes the row that was scanned.
func (s *scan) row() (cdc.Row, error) {
	row := make(cdc.Row, len(s.columns))
	for i, c := range s.columns {
		var err error
		if row[i], err = c.fromSQL(s.values[i]); err != nil {
			return nil, err
		}
	}
	return row, nil
}
