package mysql

import (
	"context"
	"fmt"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// SampleKeys is Sample for the rows of a wanted table whose key, which must be one
// column, is one of keys. It returns those that are there, in the order of the key.
func (s *Source) SampleKeys(ctx context.Context, table cdc.TableName, keys []string) (*cdc.Table, []cdc.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	columns, ok := s.wantedNow()[table]
	if !ok {
		return nil, nil, fmt.Errorf("sample table %s by key: it is not one of the captured tables", table)
	}
	var plan *chunkPlan
	var rows []cdc.Row
	err := s.reads.use(ctx, s.cfg, func(session *readSession) (err error) {
		if plan, err = s.newPlan(ctx, session, cdc.Wanted{table: columns}, aboutReading); err != nil {
			return err
		}
		rows, err = plan.sampleKeys(ctx, session, keys)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s by key: %w", table, err)
	}
	return plan.table, rows, nil
}

func (p *chunkPlan) sampleKeys(ctx context.Context, s *readSession, keys []string) ([]cdc.Row, error) {
	if len(p.key) != 1 {
		return nil, nil
	}
	var r backfill.Request
	for _, text := range keys {
		if _, err := p.parameters(backfill.Key{text}); err == nil { // otherwise no row has it
			r.Keys = append(r.Keys, backfill.Key{text})
		}
	}
	if r.Keys == nil {
		return nil, nil
	}
	var c backfill.Chunk
	if err := p.read(ctx, s, &r, &c); err != nil {
		return nil, err
	}
	named := p.refers(&backfill.Referring{Column: p.key[0].name, Values: keys})
	var rows []cdc.Row
	for _, row := range c.Rows {
		if named(row) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}
