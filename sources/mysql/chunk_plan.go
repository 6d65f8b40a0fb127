package mysql

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// chunkPlan is how the chunks of a table are read.
type chunkPlan struct {
	table *cdc.Table
	// stored is the table's name as the server has it.
	stored cdc.TableName
	// columns are those of table.
	columns []*column
	// collations are those of columns.
	collations []string
	key        []keyColumn
	// finding are the indexes that find rows by their first columns.
	finding []indexFacts
	// index is the name of the index that orders by the key, empty if it has only
	// the beginning of some column, or if the server's optimizer is to ignore it.
	index string
	// definition is what the server must say of the table for the plan to be right.
	definition string
	made       time.Time
}

// plan returns the plan of a table, made on q unless there is one.
func (s *Source) plan(ctx context.Context, q queryer, table cdc.TableName) (*chunkPlan, error) {
	plan, generation := s.reads.plan(table)
	if plan != nil {
		return plan, nil
	}
	wanted := s.wantedNow()
	columns, ok := wanted[table]
	if !ok {
		return nil, fmt.Errorf("it is not one of the captured tables")
	}
	plan, err := s.newPlan(ctx, q, cdc.Wanted{table: columns}, aboutChunks)
	if err != nil {
		return nil, err
	}
	s.reads.keep(plan, generation)
	return plan, nil
}

// newPlan makes the plan of the one table in wanted, unless something up to the
// given aspect is wrong.
func (s *Source) newPlan(ctx context.Context, q queryer, wanted cdc.Wanted, about aspect) (*chunkPlan, error) {
	c, err := readTables(ctx, q, wanted)
	if err != nil {
		return nil, err
	}
	c.cascades = CascadesAccept // a matter of the stream alone
	if err := c.review().err(about); err != nil {
		return nil, err
	}
	t := c.tables[0]
	plan := &chunkPlan{table: s.tableOf(wanted, &t.description), stored: t.stored, definition: t.definition, made: time.Now()}
	for i := range plan.table.Columns {
		at := t.index(plan.table.Columns[i].Name)
		plan.columns, plan.collations = append(plan.columns, &t.columns[at]), append(plan.collations, t.details[at].collation)
	}
	for _, name := range t.key {
		i := t.index(name)
		plan.key = append(plan.key, keyColumn{column: &t.columns[i], collation: t.details[i].collation})
	}
	if index := t.chooseKey(); !index.prefix && !index.hidden {
		plan.index = index.name
	}
	plan.finding = t.finding
	return plan, nil
}

// keyOf is the key of a row of the plan's table.
func (p *chunkPlan) keyOf(row cdc.Row) backfill.Key {
	key := make(backfill.Key, len(p.table.Key))
	for i, column := range p.table.Key {
		key[i] = row[column].Text()
	}
	return key
}
