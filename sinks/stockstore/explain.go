package stockstore

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Explanation is everything behind the levels of one SKU, as of one moment.
type Explanation struct {
	SKU inventory.SKU
	// Levels are the SKU's cells, by location, those that are gone included.
	// Versions belong to the levels stream and are zero.
	Levels []inventory.Level
	// Contributions add up to Levels, but for those of feeds that do not count and
	// those whose time has not come or is over.
	// They are in the order of source, table, row and leg.
	Contributions []ExplainedContribution
}

// ExplainedContribution is one contribution, and where it comes from.
type ExplainedContribution struct {
	inventory.Contribution
	// Counts says whether it is in the level now, by its validity.
	Counts  bool
	Source  string
	Table   string
	Mapping inventory.MappingID
	// Feed is the state of the feed; only active and stale ones count.
	Feed connector.FeedState
	Row  cdc.RowKey
	// Position, Transaction and CommittedAt are those of the commit that last
	// changed the contribution.
	Position    inventory.Position
	Transaction string
	CommittedAt time.Time
	// Problem is set if the row could not be mapped since: the contribution is
	// the last good one.
	Problem *ExplainedProblem
}

// ExplainedProblem says why a row could not be mapped, and since which commit.
type ExplainedProblem struct {
	inventory.Problem
	Position    inventory.Position
	Transaction string
	CommittedAt time.Time
}

// Explain returns what is behind the levels of a SKU. An unknown SKU has neither
// levels nor contributions.
func (s *Store) Explain(ctx context.Context, sku inventory.SKU) (Explanation, error) {
	e := Explanation{SKU: sku}
	err := s.db.snapshot(ctx, func(r reader) error {
		var err error
		if e.Levels, err = readLevels(ctx, r, sku); err != nil {
			return err
		}
		e.Contributions, err = readContributions(ctx, r, `c.sku = $1`, string(sku))
		return err
	})
	if err != nil {
		return Explanation{}, fmt.Errorf("explain sku %q: %w", sku, err)
	}
	return e, nil
}

// Levels returns the levels of a SKU by location, those that are gone included.
func (s *Store) Levels(ctx context.Context, sku inventory.SKU) ([]inventory.Level, error) {
	var levels []inventory.Level
	err := s.db.snapshot(ctx, func(r reader) error {
		var err error
		levels, err = readLevels(ctx, r, sku)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read levels of sku %q: %w", sku, err)
	}
	return levels, nil
}

func readLevels(ctx context.Context, r reader, sku inventory.SKU) ([]inventory.Level, error) {
	var rows levelRows
	err := r.query(ctx, func(scan scanFunc) error {
		var row levelRow
		err := row.scan(scan)
		rows = append(rows, row)
		return err
	}, `select `+levelRowColumns+` from cell c join feed f on f.id = c.feed where c.sku = $1 order by c.location, c.feed`, string(sku))
	return rows.levels(time.Time{}), err
}

// readContributions reads the contributions that a condition on them and their feeds selects.
func readContributions(ctx context.Context, r reader, condition string, args ...any) ([]ExplainedContribution, error) {
	var out []ExplainedContribution
	err := r.query(ctx, func(scan scanFunc) error {
		c, err := scanExplained(scan)
		out = append(out, c)
		return err
	}, `select f.source, f.table_name, f.mapping, f.state, c.row_key, c.leg, c.sku, c.location,
			c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming,
			c.run, c.number, c.transaction_id, c.committed_at, c.valid_from, c.valid_until, c.due,
			`+problemColumns+`
		from contribution c
		join feed f on f.id = c.feed
		left join problem p on p.feed = c.feed and p.row_key = c.row_key
		where `+condition+`
		order by f.source, f.table_name, f.id, c.row_key, c.leg`, args...)
	return out, err
}

func scanExplained(scan scanFunc) (ExplainedContribution, error) {
	var c ExplainedContribution
	var p ExplainedProblem
	var committedAt, problemAt int64
	var due inventory.Moment
	q := &c.Quantities
	err := scan(&c.Source, &c.Table, (*string)(&c.Mapping), (*string)(&c.Feed), (*string)(&c.Row), &c.Leg,
		(*string)(&c.SKU), (*string)(&c.Location),
		(*int64)(&q[0]), (*int64)(&q[1]), (*int64)(&q[2]), (*int64)(&q[3]), (*int64)(&q[4]),
		&c.Position.Run, &c.Position.Number, &c.Transaction, &committedAt,
		(*momentColumn)(&c.Valid.From), (*momentColumn)(&c.Valid.Until), (*momentColumn)(&due),
		(*string)(&p.Kind), &p.Rule, &p.Reason, &p.Position.Run, &p.Position.Number, &p.Transaction, &problemAt)
	c.CommittedAt = fromMicros(committedAt)
	c.Counts = c.Valid.Counts(due)
	if p.Kind != "" {
		p.CommittedAt = fromMicros(problemAt)
		c.Problem = &p
	}
	return c, err
}

// Stats are counts that show how the store is doing.
type Stats struct {
	// OutboxCells counts listings of cells that are not known to be published; a
	// cell may be listed several times.
	OutboxCells int64
	// Walks counts walks under way.
	Walks int64
	// Problems counts rows that keep their last good contributions, by source and kind
	// of problem.
	Problems map[string]map[inventory.ProblemKind]int64
	// Dropped counts feeds whose rows wait to be swept.
	Dropped int64
}

// Stats reads the counts. It takes time in proportion to the outbox and the problems.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	stats := Stats{Problems: make(map[string]map[inventory.ProblemKind]int64)}
	err := s.db.snapshot(ctx, func(r reader) error {
		err := r.query(ctx, func(scan scanFunc) error { return scan(&stats.OutboxCells, &stats.Walks, &stats.Dropped) },
			`select coalesce(sum(size), 0), count(walk), (select count(*) from feed where state = 'dropped') from outbox`)
		if err != nil {
			return err
		}
		return r.query(ctx, func(scan scanFunc) error {
			var source string
			var kind inventory.ProblemKind
			var n int64
			err := scan(&source, (*string)(&kind), &n)
			if stats.Problems[source] == nil {
				stats.Problems[source] = make(map[inventory.ProblemKind]int64)
			}
			stats.Problems[source][kind] = n
			return err
		}, `select f.source, p.kind, count(*) from problem p join feed f on f.id = p.feed
			where f.state in ('active', 'stale') group by f.source, p.kind`)
	})
	if err != nil {
		return Stats{}, fmt.Errorf("read counts of stock store: %w", err)
	}
	return stats, nil
}
