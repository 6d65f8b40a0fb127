package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// catalog is what the system catalogs say of a publication and the wanted tables.
type catalog struct {
	// version is server_version_num: 150020 for 15.20.
	version int
	role    string
	wanted  cdc.Wanted
	// publicationName is the configured one; publication is nil if it does not exist.
	publicationName string
	publication     *publicationFacts
	// tables are the wanted ones by name; those that do not exist have no OID.
	tables []*tableFacts
	// names are the tables that a missing one may have been meant for; empty if none is missing.
	names []cdc.TableName
}

// publicationFacts are of pg_publication.
type publicationFacts struct {
	insert, update, delete, truncate bool
	viaRoot                          bool
	// keyless are the tables of the publication, wanted or not, whose UPDATE and
	// DELETE would fail if they were published.
	keyless []string
}

// tableFacts are of pg_class. For a partition only what the key needs is read.
type tableFacts struct {
	name        cdc.TableName
	oid         uint32
	kind        byte
	persistence byte
	identity    byte
	// usage and selectable are the role's rights; rowSecurity says that policies apply to it.
	usage, selectable, rowSecurity bool
	// inherited says that the table has inheritance children.
	inherited bool
	columns   []columnFacts
	// indexes could be keys, the primary key first, the others by name.
	indexes []indexFacts
	// deferrable says that the primary key is, which is why it is not among indexes.
	deferrable bool
	// leaves are the partitions that hold rows, of a partitioned table.
	leaves []*tableFacts
	// published is nil if the publication does not list the table under its own name.
	published *publishedFacts
	// publishedAs names the partitioned table under whose name the publication
	// has this partition's rows, if it does.
	publishedAs string
}

type columnFacts struct {
	relationColumn
	notNull bool
	// generated is s (stored), v (virtual) or 0.
	generated  byte
	selectable bool
}

// indexFacts are of a unique, immediate, complete index over plain columns.
type indexFacts struct {
	name     string
	primary  bool
	identity bool
	columns  []string
}

type publishedFacts struct {
	// columns are the published ones, nil when the server does not say (before 15).
	columns []string
	filter  string
}

// readCatalog reads everything that review judges, as of one moment, with the
// rights of any role.
func readCatalog(ctx context.Context, conn *pgx.Conn, publication string, wanted cdc.Wanted) (*catalog, error) {
	c := &catalog{publicationName: publication, wanted: wanted}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
		func(tx pgx.Tx) error { return c.read(ctx, tx) })
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	return c, nil
}

func (c *catalog) read(ctx context.Context, tx pgx.Tx) error {
	// With this path alone, format_type qualifies whatever is not built in, and
	// no function or operator of an application can be called by mistake.
	if _, err := tx.Exec(ctx, `SET LOCAL search_path = pg_catalog, pg_temp`); err != nil {
		return err
	}
	const server = `SELECT current_setting('server_version_num')::int, current_user::text`
	if err := tx.QueryRow(ctx, server).Scan(&c.version, &c.role); err != nil {
		return err
	}
	steps := []struct {
		name string
		read func(context.Context, pgx.Tx) error
	}{
		{"tables", c.readTables},
		{"partitions", c.readLeaves},
		{"columns", c.readColumns},
		{"indexes", c.readIndexes},
		{"publication", c.readPublication},
		{"published tables", c.readPublished},
		{"names of tables", c.readNames},
	}
	for _, step := range steps {
		if err := step.read(ctx, tx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (c *catalog) readTables(ctx context.Context, tx pgx.Tx) error {
	names := slices.SortedFunc(maps.Keys(c.wanted), compareTables)
	schemas, tables := make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		schemas[i], tables[i] = n.Schema, n.Name
		c.tables = append(c.tables, &tableFacts{name: n})
	}
	// The functions return NULL for a table that was dropped meanwhile.
	const query = `
		SELECT w.ord::int - 1, c.oid, c.relkind::text, c.relpersistence::text, c.relreplident::text,
			coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
			coalesce(has_table_privilege(c.oid, 'SELECT'), false),
			c.relrowsecurity AND row_security_active(c.oid),
			EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid AND c.relkind = 'r')
		FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)
		JOIN pg_namespace n ON n.nspname = w.schema
		JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name`
	rows, err := tx.Query(ctx, query, schemas, tables)
	if err != nil {
		return err
	}
	var i int
	var t tableFacts
	var kind, persistence, identity string
	_, err = pgx.ForEachRow(rows, []any{
		&i, &t.oid, &kind, &persistence, &identity,
		&t.usage, &t.selectable, &t.rowSecurity, &t.inherited,
	}, func() error {
		t.name = c.tables[i].name
		t.kind, t.persistence, t.identity = kind[0], persistence[0], identity[0]
		found := t
		c.tables[i] = &found
		return nil
	})
	return err
}

func compareTables(a, b cdc.TableName) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}

func (c *catalog) readLeaves(ctx context.Context, tx pgx.Tx) error {
	roots := make(map[uint32]*tableFacts)
	for _, t := range c.tables {
		if t.kind == kindPartitioned {
			roots[t.oid] = t
		}
	}
	if len(roots) == 0 {
		return nil
	}
	const query = `
		SELECT r.oid, c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text
		FROM unnest($1::oid[]) AS r(oid), pg_partition_tree(r.oid::regclass) AS p
		JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE p.isleaf ORDER BY c.oid`
	rows, err := tx.Query(ctx, query, slices.Collect(maps.Keys(roots)))
	if err != nil {
		return err
	}
	var root uint32
	var t tableFacts
	var kind, persistence, identity string
	_, err = pgx.ForEachRow(rows, []any{&root, &t.oid, &t.name.Schema, &t.name.Name, &kind, &persistence, &identity},
		func() error {
			t.kind, t.persistence, t.identity = kind[0], persistence[0], identity[0]
			leaf := t
			roots[root].leaves = append(roots[root].leaves, c.wantedOr(&leaf))
			return nil
		})
	return err
}

// wantedOr returns the wanted table that t is, or t.
func (c *catalog) wantedOr(t *tableFacts) *tableFacts {
	for _, w := range c.tables {
		if w.oid == t.oid {
			return w
		}
	}
	return t
}

// The kinds of relations that are tables, as in pg_class.relkind.
const (
	kindTable       = 'r'
	kindPartitioned = 'p'
)

// byOID returns the wanted tables that exist and their partitions.
func (c *catalog) byOID() map[uint32]*tableFacts {
	tables := make(map[uint32]*tableFacts)
	for _, t := range c.tables {
		if t.oid != 0 {
			tables[t.oid] = t
		}
		for _, leaf := range t.leaves {
			tables[leaf.oid] = leaf
		}
	}
	return tables
}
