package postgres

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

func (c *catalog) readColumns(ctx context.Context, tx pgx.Tx) error {
	tables := make(map[uint32]*tableFacts)
	for _, t := range c.tables {
		if t.oid != 0 {
			tables[t.oid] = t
		}
	}
	const query = `
		SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
			a.attnotnull, ascii(a.attgenerated::text), coalesce(has_column_privilege(a.attrelid, a.attnum, 'SELECT'), false)
		FROM pg_attribute a
		WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`
	rows, err := tx.Query(ctx, query, slices.Collect(maps.Keys(tables)))
	if err != nil {
		return err
	}
	var table uint32
	var col columnFacts
	var generated int32
	_, err = pgx.ForEachRow(rows, []any{
		&table, &col.name, &col.typeOID, &col.typmod, &col.sourceType,
		&col.notNull, &generated, &col.selectable,
	}, func() error {
		col.generated = byte(generated) //nolint:gosec // an ASCII letter or 0
		tables[table].columns = append(tables[table].columns, col)
		return nil
	})
	if err != nil {
		return err
	}
	return c.resolveColumns(ctx, tx.Conn())
}

// resolveColumns finds the families of all columns.
func (c *catalog) resolveColumns(ctx context.Context, conn *pgx.Conn) error {
	var oids []uint32
	for _, t := range c.tables {
		for _, col := range t.columns {
			oids = append(oids, col.typeOID)
		}
	}
	families, err := resolveTypes(ctx, conn, oids)
	if err != nil {
		return err
	}
	for _, t := range c.tables {
		for i := range t.columns {
			t.columns[i].family = families[t.columns[i].typeOID]
		}
	}
	return nil
}

// readIndexes reads the indexes that can tell rows apart and that PostgreSQL
// accepts as a replica identity: unique, valid, not deferrable, without
// predicate or expressions. (A primary key WITHOUT OVERLAPS is an exclusion
// constraint and none of them.) Their columns are NOT NULL.
func (c *catalog) readIndexes(ctx context.Context, tx pgx.Tx) error {
	tables := c.byOID()
	const query = `
		SELECT i.indrelid, x.relname::text, i.indisprimary, i.indisreplident, i.indimmediate, ARRAY(
			SELECT a.attname::text
			FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE k.ord <= i.indnkeyatts ORDER BY k.ord)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indislive
			AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL
			AND NOT EXISTS (
				SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
				JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
				WHERE k.ord <= i.indnkeyatts AND NOT a.attnotnull)
		ORDER BY i.indrelid, i.indisprimary DESC, x.relname`
	rows, err := tx.Query(ctx, query, slices.Collect(maps.Keys(tables)))
	if err != nil {
		return err
	}
	var table uint32
	var index indexFacts
	var immediate bool
	_, err = pgx.ForEachRow(rows, []any{&table, &index.name, &index.primary, &index.identity, &immediate, &index.columns}, func() error {
		if !immediate {
			tables[table].deferrable = tables[table].deferrable || index.primary
			return nil
		}
		found := index
		found.columns = slices.Clone(index.columns)
		tables[table].indexes = append(tables[table].indexes, found)
		return nil
	})
	return err
}
