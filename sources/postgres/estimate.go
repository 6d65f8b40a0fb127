package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// estimateExact is how many rows Estimate counts, at most, of a table of which
// the server has no statistics.
const estimateExact = 10_000

// Estimate returns about how many rows a table has: what the server's
// statistics say, scaled to the table's present size, for all partitions
// together. Without statistics it counts up to 10,000 rows, and if there are
// more it takes what the server's planner guesses from the table's size. Rows
// that the publication filters out count too. It takes two minutes at most.
func (s *Source) Estimate(ctx context.Context, table cdc.TableName) (rows int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	err = s.chunks.use(ctx, func(c *chunkConn) error {
		rows, err = estimate(ctx, c.Conn, table)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("estimate the rows of table %s: %w", table, orCause(ctx, err))
	}
	return rows, nil
}

func estimate(ctx context.Context, conn *pgx.Conn, table cdc.TableName) (rows int64, err error) {
	// reltuples is -1 for a table that was never analysed, and 0 before 14; an
	// empty one that was analysed may have been filled since.
	const query = `
		SELECT c.relkind::text, count(*) FILTER (WHERE leaf.reltuples <= 0 OR leaf.relpages = 0),
			coalesce(sum(leaf.reltuples::float8 / nullif(leaf.relpages, 0)
				* (pg_relation_size(leaf.oid) / current_setting('block_size')::int8)) FILTER (WHERE leaf.reltuples > 0), 0)::int8
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
		LATERAL (SELECT c.oid AS id WHERE c.relkind <> 'p'
			UNION ALL SELECT t.relid FROM pg_partition_tree(c.oid::regclass) t WHERE t.isleaf AND c.relkind = 'p') part
		JOIN pg_class leaf ON leaf.oid = part.id
		WHERE n.nspname = $1 AND c.relname = $2 GROUP BY c.relkind`
	var kind string
	var unknown int64
	found, err := conn.Query(ctx, query, table.Schema, table.Name)
	if err != nil {
		return 0, err
	}
	if _, err := pgx.ForEachRow(found, []any{&kind, &unknown, &rows}, func() error { return nil }); err != nil {
		return 0, err
	}
	if kind != "" && unknown == 0 {
		return rows, nil
	}
	name := quoteTable(table)
	if kind != string(rune(kindPartitioned)) {
		name = "ONLY " + name
	}
	count := fmt.Sprintf(`SELECT count(*) FROM (SELECT FROM %s LIMIT %d) AS few`, name, estimateExact+1)
	if err := conn.QueryRow(ctx, count).Scan(&rows); err != nil || rows <= estimateExact {
		return rows, err
	}
	return guess(ctx, conn, name)
}

// guess returns how many rows the planner expects in a table.
func guess(ctx context.Context, conn *pgx.Conn, name string) (int64, error) {
	var plan []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		} `json:"Plan"`
	}
	if err := conn.QueryRow(ctx, `EXPLAIN (FORMAT JSON) SELECT FROM `+name).Scan(&plan); err != nil || len(plan) != 1 {
		return 0, fmt.Errorf("read the planner's guess: %w", err)
	}
	return max(int64(plan[0].Plan.Rows), estimateExact), nil
}
