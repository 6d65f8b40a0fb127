package postgres

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// surveyTimeout bounds one statement of a survey, on the server, and the wait for
// a lock that DDL holds.
const surveyTimeout = "15s"

// Survey looks at the tables and views of the database that scope covers: their
// columns, keys and foreign keys, and about how many rows they have. It reads the
// catalog only, in a transaction that cannot write, with the rights of any role;
// nothing needs to exist for it, no slot and no publication. It takes two minutes
// at most, and fails only if the server does not answer.
func (s *Source) Survey(ctx context.Context, scope survey.Scope) (*survey.Database, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	conn, err := s.connectSurvey(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the database: %w", err)
	}
	defer closeReader(ctx, conn)
	d, err := readSurvey(ctx, conn, s.cfg.Publication, scope)
	if err != nil {
		return nil, fmt.Errorf("look at the database: %w", err)
	}
	return d, nil
}

// connectSurvey opens a reading connection whose statements end soon.
func (s *Source) connectSurvey(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		if fix := connectFix(err); fix != "" {
			return nil, &cdc.SetupError{Object: "the database", Problem: err.Error(), Fix: fix}
		}
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SET statement_timeout = '"+surveyTimeout+"'; SET lock_timeout = '"+surveyTimeout+"'"); err != nil {
		closeReader(ctx, conn)
		return nil, err
	}
	return conn, nil
}

func readSurvey(ctx context.Context, conn *pgx.Conn, publication string, scope survey.Scope) (*survey.Database, error) {
	d := &survey.Database{}
	err := conn.QueryRow(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version'), current_database()::text, current_user::text`).
		Scan(&d.Product, &d.Name, &d.Role)
	if err != nil {
		return nil, err
	}
	names, err := listTables(ctx, conn, scope, d)
	if err != nil {
		return nil, fmt.Errorf("tables: %w", err)
	}
	wanted := make(cdc.Wanted)
	for _, n := range names {
		wanted[n] = nil
	}
	c, err := readCatalog(ctx, conn, publication, wanted)
	if err != nil {
		return nil, err
	}
	verdicts := c.review().verdicts
	at := make(map[uint32]*survey.Table)
	for i := range d.Tables {
		t, facts := &d.Tables[i], c.tables[i]
		describeTable(t, facts)
		at[facts.oid] = t
		for j := range verdicts {
			if v := &verdicts[j]; v.object == tableObject(facts) && v.State == cdc.FindingProblem && v.about <= aboutReading {
				t.Problems = append(t.Problems, v.Finding)
			}
		}
	}
	if err := readForeignKeys(ctx, conn, at); err != nil {
		return nil, fmt.Errorf("foreign keys: %w", err)
	}
	if err := readDeclared(ctx, conn, at); err != nil {
		return nil, fmt.Errorf("declared values: %w", err)
	}
	return d, nil
}

// listTables puts the tables and views of scope into d, with their rows, and
// returns their names in the order of readCatalog. What belongs to an extension,
// and partitions, whose rows are their parent's, are left out.
func listTables(ctx context.Context, conn *pgx.Conn, scope survey.Scope, d *survey.Database) ([]cdc.TableName, error) {
	const query = `
		SELECT n.nspname::text, c.relname::text, c.relkind NOT IN ('r', 'p'), CASE
			WHEN c.relkind = 'p' THEN (SELECT CASE WHEN bool_or(l.reltuples < 0) THEN -1 ELSE coalesce(sum(l.reltuples::float8), 0) END
				FROM pg_partition_tree(c.oid::regclass) p JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf)
			WHEN c.relkind = 'r' AND pg_relation_size(c.oid) = 0 THEN 0
			WHEN c.relkind <> 'r' OR c.reltuples < 0 OR c.relpages = 0 THEN -1
			ELSE c.reltuples::float8 / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::int8) END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
			AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
			AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')`
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	var t survey.Table
	var count *float64 // NULL for a table that was dropped meanwhile
	_, err = pgx.ForEachRow(rows, []any{&t.Name.Schema, &t.Name.Name, &t.View, &count}, func() error {
		if scope.Covers(t.Name) {
			if t.Rows = -1; count != nil {
				t.Rows = int64(*count)
			}
			d.Tables = append(d.Tables, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(d.Tables, func(a, b survey.Table) int { return compareTables(a.Name, b.Name) })
	if d.Left = len(d.Tables) - scope.Limit; d.Left > 0 {
		d.Tables = d.Tables[:scope.Limit]
	}
	d.Left = max(d.Left, 0)
	var names []cdc.TableName
	for i := range d.Tables {
		names = append(names, d.Tables[i].Name)
	}
	return names, nil
}

// describeTable takes over what the catalog says of a table.
func describeTable(t *survey.Table, facts *tableFacts) {
	for i := range facts.columns {
		c := &facts.columns[i]
		if !facts.selectable && !c.selectable && !facts.unreadable() {
			t.Hidden = append(t.Hidden, c.name)
			continue
		}
		t.Columns = append(t.Columns, survey.Column{
			Column: cdc.Column{Name: c.name, Type: c.family, SourceType: c.sourceType}, NotNull: c.notNull,
		})
	}
	t.Key = facts.chooseKey().columns
	for i := range facts.indexes {
		t.Unique = append(t.Unique, facts.indexes[i].columns)
	}
}

// unreadable reports whether the role may read no column at all.
func (t *tableFacts) unreadable() bool {
	return !t.selectable && !slices.ContainsFunc(t.columns, func(c columnFacts) bool { return c.selectable })
}

func readForeignKeys(ctx context.Context, conn *pgx.Conn, tables map[uint32]*survey.Table) error {
	const query = `
		SELECT k.conrelid, n.nspname::text, c.relname::text,
			ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(num, ord)
				JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.ord),
			ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(num, ord)
				JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.ord)
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY k.conrelid, k.conname`
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return err
	}
	var table uint32
	var f survey.ForeignKey
	_, err = pgx.ForEachRow(rows, []any{&table, &f.Table.Schema, &f.Table.Name, &f.Columns, &f.References}, func() error {
		if t := tables[table]; t != nil {
			t.Foreign = append(t.Foreign, f)
		}
		f.Columns, f.References = nil, nil
		return nil
	})
	return err
}

// readDeclared reads the labels of enumerations, and the values that constraints
// on single columns list.
func readDeclared(ctx context.Context, conn *pgx.Conn, tables map[uint32]*survey.Table) error {
	const labels = `
		SELECT a.attrelid, a.attname::text, ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE t.typtype = 'e' AND a.attnum > 0 AND NOT a.attisdropped`
	var table uint32
	var column string
	var values []string
	take := func() {
		if t := tables[table]; t != nil {
			if c := t.Column(column); c != nil && len(values) > 0 {
				c.Values = values
			}
		}
		values = nil
	}
	rows, err := conn.Query(ctx, labels)
	if err != nil {
		return err
	}
	if _, err := pgx.ForEachRow(rows, []any{&table, &column, &values}, func() error { take(); return nil }); err != nil {
		return err
	}
	const checks = `
		SELECT k.conrelid, a.attname::text, pg_get_constraintdef(k.oid)
		FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
		WHERE k.contype = 'c' AND cardinality(k.conkey) = 1 AND k.convalidated ORDER BY k.conrelid, k.conname`
	if rows, err = conn.Query(ctx, checks); err != nil {
		return err
	}
	var definition string
	_, err = pgx.ForEachRow(rows, []any{&table, &column, &definition}, func() error {
		values = listedValues(definition)
		take()
		return nil
	})
	return err
}

var (
	// oneOf is how pg_get_constraintdef prints column IN ('a', 'b').
	oneOf = regexp.MustCompile(`^CHECK \(\(\(?"?[^"(]+"?\)?(?:::[a-z ]+)? = ANY \(+ARRAY\[(.*?)\]\)*(?:::[a-z \[\]]+)?\)+$`)
	// quoted is a literal with its type.
	quoted = regexp.MustCompile(`^'((?:[^']|'')*)'(?:::[a-z ]+(?:\(\d+\))?)?\)?(?:::[a-z ]+)?$`)
)

// listedValues returns the values that a constraint lists for its only column,
// none if it says something else.
func listedValues(definition string) []string {
	m := oneOf.FindStringSubmatch(definition)
	if m == nil {
		return nil
	}
	var values []string
	for literal := range strings.SplitSeq(m[1], ", ") {
		if q := quoted.FindStringSubmatch(strings.TrimLeft(literal, "(")); q != nil {
			values = append(values, strings.ReplaceAll(q[1], "''", "'"))
			continue
		}
		return nil // a number, or a text with a comma in it
	}
	return values
}

// Look reads some rows of each table that is asked for, in a transaction that
// cannot write. Of a large table it reads pages chosen at random. A table that
// cannot be read has the reason in its answer; answers come in the order of
// questions. Each statement takes 15 s at most, and all of them two minutes.
func (s *Source) Look(ctx context.Context, questions []survey.Question) ([]survey.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	conn, err := s.connectSurvey(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at rows: %w", err)
	}
	defer closeReader(ctx, conn)
	answers := make([]survey.Sample, len(questions))
	for i := range questions {
		answers[i].Columns = questions[i].Columns
		err := lookAt(ctx, conn, &questions[i], &answers[i])
		switch {
		case err != nil && (ctx.Err() != nil || conn.IsClosed()):
			return nil, fmt.Errorf("look at rows: table %s: %w", questions[i].Table, err)
		case err != nil:
			answers[i].Problem, answers[i].Rows, answers[i].Whole = err.Error(), nil, false
		}
	}
	return answers, nil
}

// samplePages is how many pages of a large table are read, more or less.
const samplePages = 20

func lookAt(ctx context.Context, conn *pgx.Conn, q *survey.Question, a *survey.Sample) error {
	var pages int64
	const query = `
		SELECT CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::int8 ELSE 0 END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`
	if err := conn.QueryRow(ctx, query, q.Table.Schema, q.Table.Name).Scan(&pages); err != nil {
		return err
	}
	part := ""
	if pages > 2*samplePages {
		part = fmt.Sprintf(" TABLESAMPLE SYSTEM (%f)", 100*float64(samplePages)/float64(pages))
	}
	types, err := columnFamilies(ctx, conn, q)
	if err != nil {
		return err
	}
	statement := fmt.Sprintf("SELECT %s FROM %s%s LIMIT %d", quoteNames(q.Columns), quoteTable(q.Table), part, q.Rows+1)
	err = readText(ctx, conn, statement, nil, func(values [][]byte) error {
		row := make(cdc.Row, len(values))
		for i, v := range values {
			row[i] = textValue(types[i], v)
		}
		a.Rows = append(a.Rows, row)
		return nil
	})
	a.Whole = part == "" && len(a.Rows) <= q.Rows
	a.Rows = a.Rows[:min(len(a.Rows), q.Rows)]
	return err
}

// columnFamilies returns the types of the columns that are asked for.
func columnFamilies(ctx context.Context, conn *pgx.Conn, q *survey.Question) ([]cdc.Type, error) {
	const query = `
		SELECT a.attname::text, a.atttypid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = ANY ($3::text[])`
	rows, err := conn.Query(ctx, query, q.Table.Schema, q.Table.Name, q.Columns)
	if err != nil {
		return nil, err
	}
	oids := make(map[string]uint32)
	var name string
	var oid uint32
	if _, err := pgx.ForEachRow(rows, []any{&name, &oid}, func() error { oids[name] = oid; return nil }); err != nil {
		return nil, err
	}
	var all []uint32
	for _, c := range q.Columns {
		all = append(all, oids[c])
	}
	families, err := resolveTypes(ctx, conn, all)
	if err != nil {
		return nil, err
	}
	types := make([]cdc.Type, len(q.Columns))
	for i, o := range all {
		types[i] = families[o]
	}
	return types, nil
}

// Grants returns the SQL that lets a role read the wanted tables.
func (s *Source) Grants(role string) string {
	role = quoteName(role)
	var schemas, tables []string
	for _, t := range slices.SortedFunc(maps.Keys(s.plans.wantedNow()), compareTables) {
		if schema := quoteName(t.Schema); !slices.Contains(schemas, schema) {
			schemas = append(schemas, schema)
		}
		tables = append(tables, quoteTable(t))
	}
	return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;\nGRANT SELECT ON %s TO %s;\n",
		strings.Join(schemas, ", "), role, strings.Join(tables, ", "), role)
}
