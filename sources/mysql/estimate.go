package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// estimateExact is how many rows Estimate counts, at most.
const estimateExact = 10_000

// Estimate returns about how many rows a table has: exactly up to 10,000, and
// otherwise what the server's statistics say, which may be wrong by half.
func (s *Source) Estimate(ctx context.Context, table cdc.TableName) (rows int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	err = s.reads.use(ctx, s.cfg, func(session *readSession) error {
		rows, err = estimate(ctx, session, table)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("estimate the rows of table %s: %w", table, err)
	}
	return rows, nil
}

func estimate(ctx context.Context, q queryer, table cdc.TableName) (rows int64, err error) {
	count := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d) AS few", quoteTable(table), estimateExact+1)
	if err := q.QueryRowContext(ctx, count).Scan(&rows); err != nil || rows <= estimateExact {
		return rows, err
	}
	const query = `SELECT coalesce(TABLE_ROWS, 0) FROM information_schema.TABLES
		WHERE TABLE_SCHEMA IN (?, ?) AND TABLE_NAME IN (?, ?) ORDER BY TABLE_ROWS DESC LIMIT 1`
	var guess int64
	err = q.QueryRowContext(ctx, query, table.Schema, strings.ToLower(table.Schema), table.Name, strings.ToLower(table.Name)).Scan(&guess)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return max(guess, rows), err
}
