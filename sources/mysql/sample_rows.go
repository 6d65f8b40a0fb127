package mysql

import (
	"context"
	"fmt"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// SampleRows is Sample for the rows of a wanted table that have one of keys. It
// returns those that are there, in key order.
func (s *Source) SampleRows(ctx context.Context, table cdc.TableName, keys []backfill.Key) (*cdc.Table, []cdc.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	var chunk backfill.Chunk
	err := s.reads.use(ctx, s.cfg, func(session *readSession) error {
		plan, err := s.plan(ctx, session, table)
		if err != nil {
			return err
		}
		chunk = backfill.Chunk{Table: plan.table}
		return plan.read(ctx, session, &backfill.Request{Table: table, Keys: keys}, &chunk)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s by key: %w", table, err)
	}
	return chunk.Table, chunk.Rows, nil
}
