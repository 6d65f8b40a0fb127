package postgres

import (
	"context"
	"fmt"

	"tailstock/connector/cdc"
)

// SampleKeys is Sample for the rows of a wanted table whose key, which must be one
// column, is one of keys. It returns those that are there, in no particular order.
func (s *Source) SampleKeys(ctx context.Context, table cdc.TableName, keys []string) (*cdc.Table, []cdc.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	def, rows, err := s.sampleKeys(ctx, table, keys)
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s by key: %w", table, err)
	}
	return def, rows, nil
}

func (s *Source) sampleKeys(ctx context.Context, table cdc.TableName, keys []string) (*cdc.Table, []cdc.Row, error) {
	columns, ok := s.plans.wantedNow()[table]
	if !ok {
		return nil, nil, fmt.Errorf("it is not one of the captured tables")
	}
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer closeReader(ctx, conn)
	c, err := readCatalog(ctx, conn, s.cfg.Publication, cdc.Wanted{table: columns})
	if err != nil {
		return nil, nil, err
	}
	review := c.review()
	if err := review.err(aboutReading); err != nil {
		return nil, nil, err
	}
	rel := review.relation(table)
	def := rel.table()
	if len(rel.key) != 1 || len(keys) == 0 {
		return def, nil, nil
	}
	var names []string
	for _, c := range rel.columns {
		names = append(names, c.name)
	}
	cast, keys := arrayOf(def.Columns[def.Key[0]].Type, keys)
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s = ANY ($1%s)", quoteNames(names), rel.sqlName(), quoteName(rel.key[0]), cast)
	if rel.filter != "" {
		query += " AND (" + rel.filter + ")"
	}
	var rows []cdc.Row
	err = readText(ctx, conn, query, [][]string{keys}, func(values [][]byte) error {
		row := make(cdc.Row, len(values))
		for i, v := range values {
			row[i] = textValue(rel.columns[i].family, v)
		}
		rows = append(rows, row)
		return nil
	})
	return def, rows, err
}

// arrayOf returns how an array of values is written that a column of a family is
// compared with, and those of values that it may equal. Numbers are the widest of
// their kind, which an index on a narrower column serves as well: a value may be
// beyond what the column can hold.
func arrayOf(family cdc.Type, values []string) (cast string, texts []string) {
	for _, v := range values {
		if family == cdc.TypeInteger && !wholeNumber(v) {
			continue // no integer is equal to it
		}
		texts = append(texts, literal(family, v))
	}
	switch family {
	case cdc.TypeInteger:
		cast = "::bigint[]"
	case cdc.TypeDecimal:
		cast = "::numeric[]"
	default:
	}
	return cast, texts
}
