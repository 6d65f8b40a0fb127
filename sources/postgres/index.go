package postgres

import (
	"context"
	"fmt"

	"tailstock/connector/cdc"
)

// CheckIndex finds whether rows of a table are found by a column through an index:
// by the first column of one that covers the whole table. Without one, whoever
// looks for rows by the column reads all of the table.
func (s *Source) CheckIndex(ctx context.Context, table cdc.TableName, column string) (cdc.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		return cdc.Finding{}, fmt.Errorf("look for an index on table %s: %w", table, err)
	}
	defer closeReader(ctx, conn)
	const query = `SELECT EXISTS (
		SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL AND a.attname = $2)`
	var found bool
	if err := conn.QueryRow(ctx, query, quoteTable(table), column).Scan(&found); err != nil {
		return cdc.Finding{}, fmt.Errorf("look for an index on table %s: %w", table, err)
	}
	f := cdc.Finding{
		Requirement: fmt.Sprintf("index on column %s of table %s", quoteName(column), table),
		State:       cdc.FindingOK, Detail: "there is one",
	}
	if !found {
		f.State = cdc.FindingWarning
		f.Detail = "there is none: whenever a row changes that this column refers to, all of the table is read"
		f.Fix = fmt.Sprintf("CREATE INDEX CONCURRENTLY ON %s (%s);", quoteTable(table), quoteName(column))
	}
	return f, nil
}
