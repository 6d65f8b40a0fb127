package postgres

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// The version numbers of features, as server_version_num has them.
const (
	version13 = 130000
	version14 = 140000
	version15 = 150000
	version16 = 160000
	version17 = 170000
	version18 = 180000
)

func (c *catalog) readPublication(ctx context.Context, tx pgx.Tx) error {
	const query = `
		SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot
		FROM pg_publication WHERE pubname = $1`
	var p publicationFacts
	err := tx.QueryRow(ctx, query, c.publicationName).Scan(&p.insert, &p.update, &p.delete, &p.truncate, &p.viaRoot)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	c.publication = &p
	if p.update && p.delete {
		return nil
	}
	// Only now does it matter: these tables forbid publishing what is missing.
	const keyless = `
		SELECT quote_ident(p.schemaname) || '.' || quote_ident(p.tablename)
		FROM pg_publication_tables p
		JOIN pg_namespace n ON n.nspname = p.schemaname
		JOIN pg_class root ON root.relnamespace = n.oid AND root.relname = p.tablename,
		LATERAL (SELECT root.oid AS relid WHERE root.relkind <> 'p'
			UNION SELECT t.relid FROM pg_partition_tree(root.oid::regclass) t WHERE t.isleaf) leaf
		JOIN pg_class c ON c.oid = leaf.relid
		WHERE p.pubname = $1 AND NOT (c.relreplident = 'f' OR c.relreplident IN ('d', 'i') AND EXISTS (
			SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
				AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END))
		GROUP BY 1 ORDER BY 1`
	rows, err := tx.Query(ctx, keyless, c.publicationName)
	if err != nil {
		return err
	}
	p.keyless, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// readPublished reads under which names, with which columns and which filter
// the publication has the wanted tables.
func (c *catalog) readPublished(ctx context.Context, tx pgx.Tx) error {
	if c.publication == nil {
		return nil
	}
	// Column lists and row filters exist from 15 on.
	query := `
		SELECT c.oid, NULL::text[], NULL::text, p.schemaname::text, p.tablename::text `
	if c.version >= version15 {
		query = `
		SELECT c.oid, p.attnames::text[], p.rowfilter, p.schemaname::text, p.tablename::text `
	}
	query += `
		FROM pg_publication_tables p
		JOIN pg_namespace n ON n.nspname = p.schemaname
		JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
		WHERE p.pubname = $1 AND c.oid = ANY ($2::oid[])`
	tables := c.byOID()
	ancestors, err := c.readAncestors(ctx, tx)
	if err != nil {
		return err
	}
	oids := slices.AppendSeq(slices.Collect(maps.Keys(tables)), maps.Keys(ancestors))
	rows, err := tx.Query(ctx, query, c.publicationName, oids)
	if err != nil {
		return err
	}
	var oid uint32
	var columns []string
	var filter *string
	var name cdc.TableName
	_, err = pgx.ForEachRow(rows, []any{&oid, &columns, &filter, &name.Schema, &name.Name}, func() error {
		for _, partition := range ancestors[oid] {
			partition.publishedAs = name.String()
		}
		if t := tables[oid]; t != nil {
			t.published = &publishedFacts{columns: slices.Clone(columns)}
			if filter != nil {
				t.published.filter = *filter
			}
		}
		return nil
	})
	return err
}

// readAncestors returns, by the OIDs of the partitioned tables above them, the
// wanted tables that are partitions.
func (c *catalog) readAncestors(ctx context.Context, tx pgx.Tx) (map[uint32][]*tableFacts, error) {
	wanted := make(map[uint32]*tableFacts)
	for _, t := range c.tables {
		if t.oid != 0 {
			wanted[t.oid] = t
		}
	}
	const query = `
		SELECT w.oid, a.relid::oid FROM unnest($1::oid[]) AS w(oid), pg_partition_ancestors(w.oid::regclass) AS a
		WHERE a.relid <> w.oid`
	rows, err := tx.Query(ctx, query, slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return nil, err
	}
	ancestors := make(map[uint32][]*tableFacts)
	var partition, ancestor uint32
	_, err = pgx.ForEachRow(rows, []any{&partition, &ancestor}, func() error {
		ancestors[ancestor] = append(ancestors[ancestor], wanted[partition])
		return nil
	})
	return ancestors, err
}

// maxNames bounds how many table names are read to find a misspelt one.
const maxNames = 20_000

// readNames reads what a wanted table that does not exist may have been meant to be.
func (c *catalog) readNames(ctx context.Context, tx pgx.Tx) error {
	if !slices.ContainsFunc(c.tables, func(t *tableFacts) bool { return t.oid == 0 }) {
		return nil
	}
	const query = `
		SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
		ORDER BY c.oid LIMIT $1`
	rows, err := tx.Query(ctx, query, maxNames)
	if err != nil {
		return err
	}
	var name cdc.TableName
	_, err = pgx.ForEachRow(rows, []any{&name.Schema, &name.Name}, func() error {
		c.names = append(c.names, name)
		return nil
	})
	return err
}
