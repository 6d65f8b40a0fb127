package mysql

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/cdc"
)

// sampleTimeout bounds Sample, Describe and Estimate, also when the server does
// not answer.
const sampleTimeout = 2 * time.Minute

// Sample reads at most n rows of a wanted table, in no particular order, with the
// columns and the exact values that the stream would bring. It takes two minutes
// at most. It fails with *cdc.SetupError if the table, its columns, its key or the
// right to read it are missing.
func (s *Source) Sample(ctx context.Context, table cdc.TableName, n int) (*cdc.Table, []cdc.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	columns, ok := s.wantedNow()[table]
	if !ok {
		return nil, nil, fmt.Errorf("sample table %s: it is not one of the captured tables", table)
	}
	var plan *chunkPlan
	var rows []cdc.Row
	err := s.reads.use(ctx, s.cfg, func(session *readSession) (err error) {
		if plan, err = s.newPlan(ctx, session, cdc.Wanted{table: columns}, aboutReading); err != nil {
			return err
		}
		rows, err = plan.sample(ctx, session, n)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s: %w", table, err)
	}
	return plan.table, rows, nil
}

// sample reads the first n rows that the server finds.
func (p *chunkPlan) sample(ctx context.Context, s *readSession, n int) ([]cdc.Row, error) {
	stmt, err := s.PrepareContext(ctx, fmt.Sprintf("SELECT %s FROM %s LIMIT %d", p.columnsSQL(), quoteTable(p.stored), n))
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	found, err := stmt.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []cdc.Row
	values := newScan(p.columns)
	for found.Next() {
		if err := found.Scan(values.into...); err != nil {
			return nil, err
		}
		row, err := values.row()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, found.Err()
}

// Describe returns a table of the server with all of its columns, wanted or not,
// and its key. It fails with *cdc.SetupError if there is no such table, if it may
// not be read, or if it has no key. It takes two minutes at most.
func (s *Source) Describe(ctx context.Context, table cdc.TableName) (described *cdc.Table, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	err = s.reads.use(ctx, s.cfg, func(session *readSession) error {
		c, err := readTables(ctx, session, cdc.Wanted{table: nil})
		if err != nil {
			return err
		}
		if err := c.review().err(aboutReading); err != nil {
			return err
		}
		d := &c.tables[0].description
		var all []string
		for i := range d.columns {
			all = append(all, d.columns[i].name)
		}
		described = s.tableOf(cdc.Wanted{table: all}, d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe table %s: %w", table, err)
	}
	return described, nil
}
