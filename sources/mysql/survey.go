package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// Survey looks at the tables and views of the server that scope covers: their
// columns, keys and foreign keys, and about how many rows they have. It reads the
// catalog only, on a session that cannot write. Tables on which the account has no
// right at all are hidden by the server. It takes two minutes at most, and fails
// only if the server does not answer.
func (s *Source) Survey(ctx context.Context, scope survey.Scope) (*survey.Database, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	var d *survey.Database
	err := s.reads.use(ctx, s.cfg, func(session *readSession) (err error) {
		d = &survey.Database{}
		return readOnly(ctx, session, func() error { return readSurvey(ctx, session, scope, d) })
	})
	if err != nil {
		if fix := connectFix(err); fix != "" {
			err = &cdc.SetupError{Object: "the server", Problem: err.Error(), Fix: fix}
		}
		return nil, fmt.Errorf("look at the server: %w", err)
	}
	return d, nil
}

// readOnly runs f with a session whose transactions cannot write, and whose
// statements end soon.
func readOnly(ctx context.Context, s *readSession, f func() error) error {
	limit, unlimited := "max_execution_time = 15000", fmt.Sprintf("max_execution_time = %d", readTimeout.Milliseconds())
	if s.isMariaDB() {
		limit, unlimited = "max_statement_time = 15", fmt.Sprintf("max_statement_time = %d", int(readTimeout.Seconds()))
	}
	for _, statement := range []string{"SET SESSION TRANSACTION READ ONLY", "SET SESSION lock_wait_timeout = 15, " + limit} {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	err := f()
	for _, statement := range []string{
		"SET SESSION TRANSACTION READ WRITE",
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d, %s", int(readTimeout.Seconds()), unlimited),
	} {
		if _, restored := s.ExecContext(ctx, statement); err == nil {
			err = restored
		}
	}
	return err
}

func readSurvey(ctx context.Context, s *readSession, scope survey.Scope, d *survey.Database) error {
	product := "MySQL "
	if s.isMariaDB() {
		product = "MariaDB "
	}
	version, _, _ := strings.Cut(s.facts.vars["version"], "-")
	d.Product, d.Blind = product+version, "tables on which it has no right at all"
	if err := s.QueryRowContext(ctx, "SELECT coalesce(DATABASE(), '')").Scan(&d.Name); err != nil {
		return err
	}
	if len(scope.Schemas) == 0 && d.Name != "" && !slices.ContainsFunc(scope.Tables, func(t cdc.TableName) bool { return t.Schema != "" }) {
		scope.Schemas = []string{d.Name}
	}
	if err := listTables(ctx, s, scope, d); err != nil {
		return fmt.Errorf("tables: %w", err)
	}
	wanted := make(cdc.Wanted)
	for i := range d.Tables {
		wanted[d.Tables[i].Name] = nil
	}
	c, err := readTables(ctx, s, wanted)
	if err != nil {
		return err
	}
	d.Role = c.account
	nullable, err := readNullable(ctx, s)
	if err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	verdicts := c.review().verdicts
	for i := range d.Tables {
		t, facts := &d.Tables[i], c.tables[i]
		describeTable(t, facts, nullable)
		for j := range verdicts {
			// What foreign keys do unlogged depends on the configuration, and is for Check.
			if v := &verdicts[j]; v.object == facts.object() && v.State == cdc.FindingProblem && v.about != aboutStreaming {
				t.Problems = append(t.Problems, v.Finding)
			}
		}
	}
	return nil
}

// listTables puts the tables and views of scope into d, with their rows.
func listTables(ctx context.Context, q queryer, scope survey.Scope, d *survey.Database) error {
	const query = `SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE NOT IN ('BASE TABLE', 'SYSTEM VERSIONED'), coalesce(TABLE_ROWS, -1)
		FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')`
	err := eachRow(ctx, q, query, nil, func(rows *sql.Rows) error {
		var t survey.Table
		if err := rows.Scan(&t.Name.Schema, &t.Name.Name, &t.View, &t.Rows); err != nil {
			return err
		}
		if scope.Covers(t.Name) {
			d.Tables = append(d.Tables, t)
		}
		return nil
	})
	slices.SortFunc(d.Tables, func(a, b survey.Table) int { return compareTables(a.Name, b.Name) })
	if d.Left = len(d.Tables) - scope.Limit; d.Left > 0 {
		d.Tables = d.Tables[:scope.Limit]
	}
	d.Left = max(d.Left, 0)
	return err
}

// columnName names a column of the server.
type columnName struct {
	table  cdc.TableName
	column string
}

func readNullable(ctx context.Context, q queryer) (map[columnName]bool, error) {
	const query = `SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE IS_NULLABLE = 'YES'
		AND TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')`
	nullable := make(map[columnName]bool)
	err := eachRow(ctx, q, query, nil, func(rows *sql.Rows) error {
		var n columnName
		err := rows.Scan(&n.table.Schema, &n.table.Name, &n.column)
		nullable[n] = true
		return err
	})
	return nullable, err
}

// describeTable takes over what the catalog says of a table. Columns of types that
// are not known are left out.
func describeTable(t *survey.Table, facts *tableFacts, nullable map[columnName]bool) {
	for i := range facts.columns {
		c := &facts.columns[i]
		if slices.Contains(facts.unknown, c.name) {
			continue
		}
		column := survey.Column{Column: c.cdcColumn(), NotNull: !nullable[columnName{facts.stored, c.name}]}
		if c.kind == kindEnum {
			column.Values = c.members
		}
		t.Columns = append(t.Columns, column)
	}
	t.Key = facts.key
	for i := range facts.indexes {
		if !facts.indexes[i].prefix {
			t.Unique = append(t.Unique, facts.indexes[i].columns)
		}
	}
	for i := range facts.foreign {
		f := &facts.foreign[i]
		t.Foreign = append(t.Foreign, survey.ForeignKey{Columns: f.columns, Table: f.parentOf(facts.stored), References: f.references})
	}
}

// Look reads some rows of each table that is asked for, on a session that cannot
// write: of a large table with a key, those with the lowest and the highest keys. A
// table that cannot be read has the reason in its answer; answers come in the order
// of questions. Each statement takes 15 s at most, and all of them two minutes.
func (s *Source) Look(ctx context.Context, questions []survey.Question) ([]survey.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	var answers []survey.Sample
	err := s.reads.use(ctx, s.cfg, func(session *readSession) error {
		answers = make([]survey.Sample, len(questions))
		return readOnly(ctx, session, func() error {
			for i := range questions {
				a := &answers[i]
				a.Columns = questions[i].Columns
				err := lookAt(ctx, session, &questions[i], a)
				switch {
				case err != nil && (ctx.Err() != nil || broken(err)):
					return fmt.Errorf("table %s: %w", questions[i].Table, err)
				case err != nil:
					a.Problem, a.Rows, a.Whole = err.Error(), nil, false
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("look at rows: %w", err)
	}
	return answers, nil
}

func lookAt(ctx context.Context, s *readSession, q *survey.Question, a *survey.Sample) error {
	c, err := readTables(ctx, s, cdc.Wanted{q.Table: q.Columns})
	if err != nil {
		return err
	}
	t := c.tables[0]
	var columns []*column
	for _, name := range q.Columns {
		column := t.description.column(name)
		if column == nil {
			return fmt.Errorf("there is no column %s any more", quoteName(name))
		}
		columns = append(columns, column)
	}
	from := fmt.Sprintf("SELECT %s FROM %s", quoteNames(q.Columns), quoteTable(t.stored))
	if err := readSample(ctx, s, fmt.Sprintf("%s LIMIT %d", from, q.Rows+1), columns, a); err != nil {
		return err
	}
	if a.Whole = len(a.Rows) <= q.Rows; a.Whole {
		return nil
	}
	a.Rows = a.Rows[:q.Rows]
	if len(t.key) == 0 {
		return nil
	}
	// New rows are at the other end of the key, mostly.
	a.Rows = a.Rows[:q.Rows/2]
	var last []string
	for _, name := range t.key {
		last = append(last, quoteName(name)+" DESC")
	}
	return readSample(ctx, s, fmt.Sprintf("%s ORDER BY %s LIMIT %d", from, strings.Join(last, ", "), q.Rows-q.Rows/2), columns, a)
}

// readSample adds the rows of a query to a.
func readSample(ctx context.Context, s *readSession, query string, columns []*column, a *survey.Sample) error {
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	found, err := stmt.QueryContext(ctx)
	if err != nil {
		return err
	}
	defer found.Close()
	values := newScan(columns)
	for found.Next() {
		if err := found.Scan(values.into...); err != nil {
			return err
		}
		row, err := values.row()
		if err != nil {
			return err
		}
		a.Rows = append(a.Rows, row)
	}
	return errors.Join(found.Err(), found.Close())
}

// Grants returns the SQL that lets an account follow the server and read the wanted
// tables.
func (s *Source) Grants(account string) string {
	account = quoteLiteral(account)
	sql := "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO " + account + ";  -- MariaDB: REPLICATION SLAVE, BINLOG MONITOR\n"
	for _, t := range slices.SortedFunc(maps.Keys(s.wantedNow()), compareTables) {
		sql += fmt.Sprintf("GRANT SELECT ON %s TO %s;\n", quoteTable(t), account)
	}
	return sql
}
