package mysql

import (
	"context"
	"fmt"
	"slices"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// SampleKeys is Sample for the rows of a wanted table of which columns, the key if
// there are none, have one of keys, a value or NULL for each column. It returns those
// that are there, in the order of the key; by columns, as many as tell that there are some.
func (s *Source) SampleKeys(ctx context.Context, table cdc.TableName, by []string, keys []cdc.Row) (*cdc.Table, []cdc.Row, error) {
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
		rows, err = plan.sampleKeys(ctx, session, by, keys)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s by key: %w", table, err)
	}
	return plan.table, rows, nil
}

func (p *chunkPlan) sampleKeys(ctx context.Context, s *readSession, by []string, keys []cdc.Row) ([]cdc.Row, error) {
	if len(by) == 0 {
		return p.sampleByKey(ctx, s, keys)
	}
	var rows []cdc.Row
	for _, key := range keys {
		found, err := p.sampleBy(ctx, s, by, key)
		if err != nil {
			return nil, err
		}
		rows = append(rows, found...)
	}
	return rows, nil
}

// sampleByKey reads rows by the table's key.
func (p *chunkPlan) sampleByKey(ctx context.Context, s *readSession, keys []cdc.Row) ([]cdc.Row, error) {
	var r backfill.Request
	named := new(backfill.Referring)
	for i := range p.key {
		named.Columns = append(named.Columns, p.key[i].name)
	}
	for _, values := range keys {
		var key backfill.Key
		for _, v := range values {
			key = append(key, v.Text())
		}
		if named.Values = append(named.Values, key); len(key) != len(p.key) {
			return nil, fmt.Errorf("%d values for a key of %d columns", len(key), len(p.key))
		}
		if _, err := p.parameters(key); err == nil { // otherwise no row has it
			r.Keys = append(r.Keys, key)
		}
	}
	if r.Keys == nil {
		return nil, nil
	}
	var c backfill.Chunk
	if err := p.read(ctx, s, &r, &c); err != nil {
		return nil, err
	}
	is := p.refers(named)
	return slices.DeleteFunc(c.Rows, func(row cdc.Row) bool { return !is(row) }), nil
}

// sampledRows is how many rows are read at once by columns that are not the key.
const sampledRows = 1_000

// sampleBy reads the first rows of which columns have the values of key.
func (p *chunkPlan) sampleBy(ctx context.Context, s *readSession, columns []string, key cdc.Row) ([]cdc.Row, error) {
	referring, texts := new(backfill.Referring), []string{}
	var null []int
	for i, name := range columns {
		at := p.table.Column(name)
		switch {
		case i >= len(key) || at < 0:
			return nil, fmt.Errorf("rows are not found by column %q and value %d of %d", name, i+1, len(key))
		case key[i].IsNull():
			null = append(null, at)
		default:
			referring.Columns, texts = append(referring.Columns, name), append(texts, key[i].Text())
		}
	}
	referring.Values = [][]string{texts}
	r := backfill.Request{Limit: sampledRows, Referring: referring}
	for {
		var c backfill.Chunk
		if err := p.read(ctx, s, &r, &c); err != nil {
			return nil, err
		}
		rows := slices.DeleteFunc(c.Rows, func(row cdc.Row) bool {
			return slices.ContainsFunc(null, func(at int) bool { return !row[at].IsNull() })
		})
		if len(rows) > 0 || c.Read() < r.Limit {
			return rows, nil
		}
		r.After = c.Last
	}
}
