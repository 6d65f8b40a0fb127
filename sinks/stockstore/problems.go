package stockstore

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// RowName names a row of a source under a mapping.
type RowName struct {
	Source  string
	Table   string
	Mapping inventory.MappingID
	Row     cdc.RowKey
}

// RowState is how a row stands in the store.
type RowState struct {
	// Applied is the source's position in the store, zero if it has applied nothing.
	Applied inventory.Position
	// Held says that the store has the table under the mapping: counting, or being loaded.
	Held bool
	// Problem is set if the row could not be mapped when the store heard of it last.
	Problem *ExplainedProblem
}

// RowStates returns how rows stand, each at its place, as of one moment. It takes
// time in proportion to the rows.
func (s *Store) RowStates(ctx context.Context, rows []RowName) ([]RowState, error) {
	out := make([]RowState, len(rows))
	err := s.db.snapshot(ctx, func(r reader) error {
		applied := make(map[string]inventory.Position)
		err := r.query(ctx, func(scan scanFunc) error {
			var source string
			var p inventory.Position
			err := scan(&source, &p.Run, &p.Number)
			applied[source] = p
			return err
		}, `select source, run, number from source_state`)
		for i := 0; err == nil && i < len(rows); i++ {
			out[i].Applied = applied[rows[i].Source]
			err = out[i].read(ctx, r, &rows[i])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read states of %d rows: %w", len(rows), err)
	}
	return out, nil
}

// read finds the feeds that hold a row, and whether it has a problem in one of them.
// While a table is loaded anew there are two.
func (st *RowState) read(ctx context.Context, r reader, row *RowName) error {
	return r.query(ctx, func(scan scanFunc) error {
		st.Held = true
		p, err := scanProblem(scan)
		if p.Kind != "" {
			st.Problem = &p
		}
		return err
	}, `select `+problemColumns+` from feed f left join problem p on p.feed = f.id and p.row_key = $4
		where f.source = $1 and f.table_name = $2 and f.mapping = $3 and f.state <> 'dropped'
		order by f.id`, row.Source, row.Table, string(row.Mapping), string(row.Row))
}

const problemColumns = `coalesce(p.kind, ''), coalesce(p.rule, ''), coalesce(p.reason, ''),
	coalesce(p.run, 0), coalesce(p.number, 0), coalesce(p.transaction_id, ''), coalesce(p.committed_at, 0)`

func scanProblem(scan scanFunc) (ExplainedProblem, error) {
	var p ExplainedProblem
	var at int64
	err := scan((*string)(&p.Kind), &p.Rule, &p.Reason, &p.Position.Run, &p.Position.Number, &p.Transaction, &at)
	p.CommittedAt = fromMicros(at)
	return p, err
}

// ExplainRow returns what counts of a row, under whatever mappings, in the order of
// mapping and leg.
func (s *Store) ExplainRow(ctx context.Context, source, table string, row cdc.RowKey) ([]ExplainedContribution, error) {
	var out []ExplainedContribution
	err := s.db.snapshot(ctx, func(r reader) (err error) {
		out, err = readContributions(ctx, r, `f.source = $1 and f.table_name = $2 and c.row_key = $3 and f.state in ('active', 'stale')`,
			source, table, string(row))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("explain row %s of table %s: %w", row, table, err)
	}
	return out, nil
}

// WaitingRows are the rows of a table that have the same problem.
type WaitingRows struct {
	Source  string
	Table   string
	Mapping inventory.MappingID
	Problem inventory.Problem
	// Rows is how many there are.
	Rows int64
	// First and Last are two of them, the same one if there is no other.
	First, Last cdc.RowKey
	// Since is the oldest commit that left one so.
	Since time.Time
}

// Waiting returns what rows have a problem of a kind in feeds that count, put
// together by what the problem is, the most frequent first, up to limit. Source and
// table, as "schema.name", may be empty for all. It takes time in proportion to the
// problems.
func (s *Store) Waiting(ctx context.Context, kind inventory.ProblemKind, source, table string, limit int) ([]WaitingRows, error) {
	var out []WaitingRows
	err := s.db.snapshot(ctx, func(r reader) error {
		return r.query(ctx, func(scan scanFunc) error {
			var w WaitingRows
			var since int64
			err := scan(&w.Source, &w.Table, (*string)(&w.Mapping), (*string)(&w.Problem.Kind), &w.Problem.Rule, &w.Problem.Reason,
				&w.Rows, (*string)(&w.First), (*string)(&w.Last), &since)
			w.Since = fromMicros(since)
			out = append(out, w)
			return err
		}, `select f.source, f.table_name, f.mapping, p.kind, p.rule, p.reason, count(*), min(p.row_key), max(p.row_key), min(p.committed_at)
			from problem p join feed f on f.id = p.feed
			where f.state in ('active', 'stale') and p.kind = $1 and ($2 = '' or f.source = $2) and ($3 = '' or f.table_name = $3)
			group by f.source, f.table_name, f.mapping, p.kind, p.rule, p.reason
			order by 7 desc, 1, 2, 5, 6 limit $4`, string(kind), source, table, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read problems: %w", err)
	}
	return out, nil
}

// problemsEvery is how often the rows with problems are counted, for the metrics.
const problemsEvery = 15 * time.Second

// countProblems keeps the metric of rows with problems, until ctx ends. A store that
// cannot be asked now is asked again.
func (s *Store) countProblems(ctx context.Context) {
	shown := make(map[[2]string]bool)
	tick := time.NewTicker(problemsEvery)
	defer tick.Stop()
	for {
		if stats, err := s.Stats(ctx); err == nil {
			now := make(map[[2]string]bool)
			for source, kinds := range stats.Problems {
				for kind, n := range kinds {
					s.metrics.problems.WithLabelValues(source, string(kind)).Set(float64(n))
					now[[2]string{source, string(kind)}] = true
				}
			}
			for labels := range shown {
				if !now[labels] {
					s.metrics.problems.WithLabelValues(labels[0], labels[1]).Set(0)
				}
				now[labels] = true
			}
			shown = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
