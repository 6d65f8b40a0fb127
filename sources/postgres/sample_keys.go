package postgres

import (
	"context"
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// SampleKeys is Sample for the rows of a wanted table of which columns, the key if
// there are none, have one of keys, a value or NULL for each column: at most a thousand of
// those that are there, in no particular order.
func (s *Source) SampleKeys(ctx context.Context, table cdc.TableName, columns []string, keys []cdc.Row) (*cdc.Table, []cdc.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	def, rows, err := s.sampleKeys(ctx, table, columns, keys)
	if err != nil {
		return nil, nil, fmt.Errorf("sample table %s by key: %w", table, err)
	}
	return def, rows, nil
}

// maxSampledKeys is the most rows that SampleKeys returns.
const maxSampledKeys = 1_000

func (s *Source) sampleKeys(ctx context.Context, table cdc.TableName, by []string, keys []cdc.Row) (*cdc.Table, []cdc.Row, error) {
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
	if len(keys) == 0 {
		return def, nil, nil
	}
	if len(by) == 0 {
		by = rel.key
	}
	var names []string
	for _, c := range rel.columns {
		names = append(names, c.name)
	}
	condition, params, err := keysSQL(def, by, keys)
	if err != nil {
		return nil, nil, err
	}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE (%s)", quoteNames(names), rel.sqlName(), condition)
	if rel.filter != "" {
		query += " AND (" + rel.filter + ")"
	}
	query += fmt.Sprintf(" LIMIT %d", maxSampledKeys)
	var rows []cdc.Row
	err = readText(ctx, conn, query, params, func(values [][]byte) error {
		row := make(cdc.Row, len(values))
		for i, v := range values {
			row[i] = textValue(rel.columns[i].family, v)
		}
		rows = append(rows, row)
		return nil
	})
	return def, rows, err
}

// keysSQL returns the condition that columns have one of keys, and its parameters.
func keysSQL(def *cdc.Table, columns []string, keys []cdc.Row) (condition string, params [][]string, err error) {
	var each []string
	for _, key := range keys {
		if len(key) != len(columns) {
			return "", nil, fmt.Errorf("%d values for %d columns", len(key), len(columns))
		}
		var equal []string
		for i, name := range columns {
			at := def.Column(name)
			if at < 0 {
				return "", nil, fmt.Errorf("column %q is not one of those that are captured", name)
			}
			if key[i].IsNull() {
				equal = append(equal, quoteName(name)+" IS NULL")
				continue
			}
			cast, texts := arrayOf(def.Columns[at].Type, []string{key[i].Text()})
			params = append(params, texts)
			equal = append(equal, fmt.Sprintf("%s = ANY ($%d%s)", quoteName(name), len(params), cast))
		}
		each = append(each, strings.Join(equal, " AND "))
	}
	return strings.Join(each, " OR "), params, nil
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
