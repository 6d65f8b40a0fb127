package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// Sample reads at most n rows of a wanted table, in no particular order, with
// the columns and the exact values that the stream would bring, on a connection
// of its own. Where the publication has a row filter, it applies. The
// publication need not exist yet. It takes two minutes at most. It fails with *cdc.SetupError if the table,
// its columns, its key or the right to read it are missing.
func (s *Source) Sample(ctx context.Context, table cdc.TableName, n int) (*cdc.Table, []cdc.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	columns, ok := s.plans.wantedNow()[table]
	if !ok {
		return nil, nil, fmt.Errorf("sample table %s: it is not one of the captured tables", table)
	}
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s: %w", table, err)
	}
	defer closeReader(ctx, conn)
	c, err := readCatalog(ctx, conn, s.cfg.Publication, cdc.Wanted{table: columns})
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s: %w", table, err)
	}
	review := c.review()
	if err := review.err(aboutReading); err != nil {
		return nil, nil, err
	}
	rel := review.relation(table)
	rows, err := rel.sample(ctx, conn, n)
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s: %w", table, err)
	}
	return rel.table(), rows, nil
}

// sample reads the first n rows that the server finds.
func (r *relation) sample(ctx context.Context, conn *pgx.Conn, n int) ([]cdc.Row, error) {
	var names []string
	for _, c := range r.columns {
		names = append(names, c.name)
	}
	query := fmt.Sprintf("SELECT %s FROM %s", quoteNames(names), r.sqlName())
	if r.filter != "" {
		query += " WHERE " + r.filter
	}
	query += fmt.Sprintf(" LIMIT %d", n)
	var rows []cdc.Row
	err := readText(ctx, conn, query, nil, func(values [][]byte) error {
		row := make(cdc.Row, len(values))
		for i, v := range values {
			row[i] = textValue(r.columns[i].family, v)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// Describe returns a table of the database with all of its columns, wanted or
// not, and its key. It fails with *cdc.SetupError if there is no such table, or
// if it has no key; the publication and the right to read play no part. It takes
// two minutes at most.
func (s *Source) Describe(ctx context.Context, table cdc.TableName) (*cdc.Table, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe table %s: %w", table, err)
	}
	defer closeReader(ctx, conn)
	wanted := cdc.Wanted{table: nil}
	c, err := readCatalog(ctx, conn, s.cfg.Publication, wanted)
	if err != nil {
		return nil, fmt.Errorf("describe table %s: %w", table, err)
	}
	for _, column := range c.tables[0].columns {
		wanted[table] = append(wanted[table], column.name)
	}
	review := c.review()
	if err := review.err(aboutTable); err != nil {
		return nil, err
	}
	return review.relation(table).table(), nil
}

// closeReader ends a connection also when ctx has ended.
func closeReader(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}
