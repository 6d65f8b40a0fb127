package postgres

import (
	"context"
	"fmt"

	"tailstock/connector/cdc"
)

// CheckIndex finds whether rows of a table are found by some columns through an
// index: one that covers the whole table and begins with all of them, in any order.
// Without one, whoever looks for rows by the columns reads all of the table, or all
// that one of the columns leaves.
func (s *Source) CheckIndex(ctx context.Context, table cdc.TableName, columns []string) (cdc.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		return cdc.Finding{}, fmt.Errorf("look for an index on table %s: %w", table, err)
	}
	defer closeReader(ctx, conn)
	// The most of the columns, from the first on, that an index begins with.
	const query = `SELECT coalesce(max(n), 0) FROM pg_index i, generate_series(1, cardinality($2::text[])) n
		WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts >= n AND NOT EXISTS (
			SELECT FROM generate_series(0, n - 1) k LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
			WHERE a.attnum IS NULL OR a.attname <> ALL ($2::text[]))`
	var found int
	if err := conn.QueryRow(ctx, query, quoteTable(table), columns).Scan(&found); err != nil {
		return cdc.Finding{}, fmt.Errorf("look for an index on table %s: %w", table, err)
	}
	return indexFinding(table, columns, found), nil
}

// indexFinding says what it means that an index begins with found of columns.
func indexFinding(table cdc.TableName, columns []string, found int) cdc.Finding {
	what, this := "columns", "these columns refer"
	if len(columns) == 1 {
		what, this = "column", "this column refers"
	}
	f := cdc.Finding{
		Requirement: fmt.Sprintf("index on %s %s of table %s", what, quoteNames(columns), table),
		State:       cdc.FindingOK, Detail: "there is one",
	}
	switch {
	case found == len(columns):
		return f
	case found == 0:
		f.Detail = "there is none: whenever a row changes that " + this + " to, all of the table is read"
	default:
		f.Detail = "there is one on a part of them alone: whenever a row changes that " + this + " to, all rows are read that have that part"
	}
	f.State = cdc.FindingWarning
	f.Fix = fmt.Sprintf("CREATE INDEX CONCURRENTLY ON %s (%s);", quoteTable(table), quoteNames(columns))
	return f
}
