package postgres

import (
	"context"
	"fmt"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// SampleRows is Sample for the rows of a wanted table that have one of keys. It
// returns those that are there, in key order.
func (s *Source) SampleRows(ctx context.Context, table cdc.TableName, keys []backfill.Key) (def *cdc.Table, rows []cdc.Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	err = s.chunks.use(ctx, func(conn *chunkConn) error {
		plan, err := s.plan(ctx, conn.Conn, table)
		if err != nil {
			return err
		}
		def = plan.table
		rows, err = plan.read(ctx, conn, &backfill.Request{Table: table, Keys: keys})
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s by key: %w", table, orCause(ctx, err))
	}
	return def, rows, nil
}
