package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// chunkPlan is how the chunks of a table are read.
type chunkPlan struct {
	relation *relation
	table    *cdc.Table
	key      []orderColumn
	// path are the schemas that the operators of the key live in.
	path []string
	// signature is what the catalog must say for the plan to be right.
	signature string
	// signatureSQL is an expression that yields it.
	signatureSQL string
	// wanted is the generation of the wanted tables that it is for.
	wanted int
	made   time.Time
}

// orderColumn is a column of the key as its index orders it.
type orderColumn struct {
	name string
	// typeName is that of its type or, for a domain, of the base type, without a length.
	typeName string
	family   cdc.Type
	// collation is the qualified name of the index's if that is another than the column's.
	collation string
	// less, greater, atMost, atLeast and equal are the operators of the index, found by the plan's path.
	less, greater, atMost, atLeast, equal string
}

// planAge is for how long a plan is used without a look at the publication.
const planAge = 10 * time.Second

// chunkPlans are the wanted tables, and the plans that were made for them. Safe
// for concurrent use.
type chunkPlans struct {
	mu     sync.Mutex
	wanted cdc.Wanted
	// generation counts the calls of want.
	generation int
	plans      map[cdc.TableName]*chunkPlan
}

func (p *chunkPlans) want(w cdc.Wanted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted, p.plans = maps.Clone(w), make(map[cdc.TableName]*chunkPlan)
	p.generation++
}

func (p *chunkPlans) wantedNow() cdc.Wanted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted
}

// get returns the plan of a table that may still be used, or nil, with what is wanted.
func (p *chunkPlans) get(table cdc.TableName) (plan *chunkPlan, columns []string, generation int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	columns, ok := p.wanted[table]
	if !ok {
		return nil, nil, 0, fmt.Errorf("it is not one of the captured tables")
	}
	if plan = p.plans[table]; plan != nil && time.Since(plan.made) > planAge {
		plan = nil
	}
	return plan, columns, p.generation, nil
}

func (p *chunkPlans) keep(plan *chunkPlan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if plan.wanted == p.generation {
		p.plans[plan.relation.name] = plan
	}
}

// drop forgets a plan that proved wrong.
func (p *chunkPlans) drop(plan *chunkPlan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plans[plan.relation.name] == plan {
		delete(p.plans, plan.relation.name)
	}
}

// plan returns the plan of a table, made on conn unless there is one.
func (s *Source) plan(ctx context.Context, conn *pgx.Conn, table cdc.TableName) (*chunkPlan, error) {
	plan, columns, generation, err := s.plans.get(table)
	if err != nil || plan != nil {
		return plan, err
	}
	c, err := readCatalog(ctx, conn, s.cfg.Publication, cdc.Wanted{table: columns})
	if err != nil {
		return nil, err
	}
	review := c.review()
	if err := review.err(aboutEverything); err != nil {
		return nil, err
	}
	plan = &chunkPlan{relation: review.relation(table), wanted: generation, made: time.Now()}
	plan.table = s.tables.Version(plan.relation.table())
	if err := plan.readOrder(ctx, conn); err != nil {
		return nil, err
	}
	s.plans.keep(plan)
	return plan, nil
}

// orderSQL reads, for the OID of a table and the names of its key's columns, each
// column as the index has it.
const orderSQL = `
	WITH RECURSIVE chosen AS (
		SELECT i.* FROM pg_index i
		WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND $2::text[] = ARRAY(
			SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.ord <= i.indnkeyatts ORDER BY k.ord)
		ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indexrelid LIMIT 1),
	key AS (
		SELECT i.indexrelid, k.ord, a.attname, a.attcollation, a.atttypid AS type,
			i.indclass[k.ord - 1] AS class, i.indcollation[k.ord - 1] AS collation
		FROM chosen i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, ord)
		JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = k.attnum WHERE k.ord <= array_length($2::text[], 1)
		UNION ALL
		SELECT k.indexrelid, k.ord, k.attname, k.attcollation, t.typbasetype, k.class, k.collation
		FROM key k JOIN pg_type t ON t.oid = k.type AND t.typtype = 'd')
	SELECT k.indexrelid, k.attname::text, format_type(k.type, -1),
		coalesce((SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname) FROM pg_collation c
			JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = k.collation AND k.collation <> k.attcollation), ''),
		o.schema, o.names[1], o.names[2], o.names[3], o.names[4], o.names[5],
		ARRAY(SELECT quote_ident(n.nspname) FROM pg_namespace n
			WHERE (n.oid = t.typnamespace OR quote_ident(n.nspname) = o.schema) AND NOT has_schema_privilege(n.oid, 'USAGE'))
	FROM key k JOIN pg_type t ON t.oid = k.type AND t.typtype <> 'd',
	LATERAL (
		SELECT min(quote_ident(n.nspname)) AS schema, array_agg(op.oprname::text ORDER BY am.amopstrategy) AS names
		FROM pg_opclass oc
		JOIN pg_amop am ON am.amopfamily = oc.opcfamily AND am.amopstrategy BETWEEN 1 AND 5 AND am.amoppurpose = 's'
			AND am.amoplefttype = oc.opcintype AND am.amoprighttype = oc.opcintype
		JOIN pg_operator op ON op.oid = am.amopopr JOIN pg_namespace n ON n.oid = op.oprnamespace
		WHERE oc.oid = k.class) o
	ORDER BY k.ord`

// readOrder reads how the key is ordered: as the index orders it that has just
// these columns in this order, the primary key if it is one. That order may be
// another than the columns' own, by its operators or its collation.
func (p *chunkPlan) readOrder(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, orderSQL, p.relation.oid, p.relation.key)
	if err != nil {
		return fmt.Errorf("read the order of the key: %w", err)
	}
	var index uint32
	var schema string
	var closed []string
	var col orderColumn
	_, err = pgx.ForEachRow(rows, []any{
		&index, &col.name, &col.typeName, &col.collation, &schema,
		&col.less, &col.atMost, &col.equal, &col.atLeast, &col.greater, &closed,
	}, func() error {
		if len(closed) > 0 {
			return p.closedSchema(col.name, closed[0])
		}
		col.family = p.table.Columns[p.table.Column(col.name)].Type
		p.key = append(p.key, col)
		if schema != "pg_catalog" && !slices.Contains(p.path, schema) {
			p.path = append(p.path, schema)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the order of the key: %w", err)
	}
	if len(p.key) != len(p.relation.key) {
		return fmt.Errorf("the index of its key (%s) is gone", quoteNames(p.relation.key))
	}
	p.useOneOrder()
	p.sign(index)
	return nil
}

// closedSchema refuses a key whose type, or its operators, the role may not name.
func (p *chunkPlan) closedSchema(column, schema string) error {
	return &cdc.SetupError{
		Object:  "table " + p.relation.name.String(),
		Problem: fmt.Sprintf("key column %s has a type of schema %s, on which the role lacks USAGE", quoteName(column), schema),
		Fix:     "GRANT USAGE ON SCHEMA " + schema + " to the role",
	}
}

// useOneOrder gives all columns their types' own order if the index mixes
// operators of different names, which cannot compare whole keys: then the index
// is of no use, and every chunk sorts.
func (p *chunkPlan) useOneOrder() {
	mixed := slices.ContainsFunc(p.key, func(c orderColumn) bool { return c.greater != p.key[0].greater })
	for i := range p.key {
		if mixed {
			p.key[i].less, p.key[i].atMost, p.key[i].equal, p.key[i].atLeast, p.key[i].greater = "<", "<=", "=", ">=", ">"
		}
	}
}

// sign makes the expression that tells whether the table is still the one that
// the plan was made for, with its captured columns and the index of its key.
func (p *chunkPlan) sign(index uint32) {
	var names, columns []string
	for _, c := range p.relation.columns {
		names = append(names, quoteLiteral(c.name))
		columns = append(columns, fmt.Sprintf("%s:%d:%d", c.name, c.typeOID, c.typmod))
	}
	p.signature = fmt.Sprintf("%d true %s", p.relation.oid, strings.Join(columns, ","))
	p.signatureSQL = fmt.Sprintf(`concat(to_regclass(%s)::oid, ' ',
		(SELECT indisunique AND indisvalid FROM pg_index WHERE indexrelid = %d)::text, ' ',
		(SELECT string_agg(attname || ':' || atttypid || ':' || atttypmod, ',' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = %d AND attnum > 0 AND NOT attisdropped AND attname IN (%s)))`,
		quoteLiteral(quoteTable(p.relation.name)), index, p.relation.oid, strings.Join(names, ", "))
}
