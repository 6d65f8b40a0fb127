package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// readTables reads everything about the wanted tables, also where something is
// missing. It needs no right but SELECT on them; of a table that the account may
// not see, not even its existence is known.
func readTables(ctx context.Context, q queryer, wanted cdc.Wanted) (*catalog, error) {
	c := &catalog{wanted: wanted}
	if err := c.read(ctx, q); err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return c, nil
}

func (c *catalog) read(ctx context.Context, q queryer) error {
	var lower int
	err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.lower_case_table_names, CURRENT_USER()").Scan(&lower, &c.account)
	if err != nil {
		return err
	}
	c.account = quoteAccount(c.account)
	if c.logsCascades, err = logsCascades(ctx, q); err != nil {
		return err
	}
	missing := false
	for _, name := range slices.SortedFunc(maps.Keys(c.wanted), compareTables) {
		t := &tableFacts{description: description{name: name}, stored: name}
		if lower != 0 { // names are stored in lower case, or compared so
			t.stored = cdc.TableName{Schema: strings.ToLower(name.Schema), Name: strings.ToLower(name.Name)}
		}
		if name.Schema != "" { // without one it is judged as it is
			if err := t.read(ctx, q); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
		missing = missing || t.kind == ""
		c.tables = append(c.tables, t)
	}
	if missing {
		if err := c.readNames(ctx, q); err != nil {
			return fmt.Errorf("names of tables: %w", err)
		}
	}
	return nil
}

func compareTables(a, b cdc.TableName) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}

// quoteAccount makes 'user'@'host' of what CURRENT_USER() says. A host has no @.
func quoteAccount(account string) string {
	i := strings.LastIndexByte(account, '@')
	if i < 0 {
		return quoteLiteral(account)
	}
	return quoteLiteral(account[:i]) + "@" + quoteLiteral(account[i+1:])
}

// logsCascades reports whether the server logs what a foreign key does to child
// rows. MySQL does from 9.6 on, where foreign keys left the storage engine, unless
// this setting brings them back (observed on 9.7; not logged on MariaDB 10.11).
func logsCascades(ctx context.Context, q queryer) (bool, error) {
	var name, value string
	err := q.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return strings.EqualFold(value, "OFF"), err
}

// readTries bounds how often a table may be altered while it is read.
const readTries = 5

// read reads the table until its definition is the same before and after.
func (t *tableFacts) read(ctx context.Context, q queryer) error {
	for range readTries {
		if err := t.readOnce(ctx, q); err != nil || t.kind != kindTable || t.denied != "" {
			return err
		}
		after, err := readDefinition(ctx, q, t.stored)
		if err != nil && !gone(err) {
			return err
		}
		if after == t.definition {
			t.foreign = parseForeignKeys(t.definition)
			return nil
		}
	}
	return errors.New("it keeps being altered")
}

func (t *tableFacts) readOnce(ctx context.Context, q queryer) error {
	t.kind, t.denied, t.columns, t.details, t.indexes, t.unknown, t.key = "", "", nil, nil, nil, nil, nil
	if err := t.readKind(ctx, q); err != nil || t.kind != "" && t.kind != kindTable {
		return err // the definition of a view takes another right, and is of no use
	}
	definition, err := readDefinition(ctx, q, t.stored)
	switch {
	case gone(err):
		t.kind = ""
		return nil
	case refused(err):
		t.denied = err.Error()
		return nil
	case err != nil || t.kind == "":
		return err
	}
	t.definition = definition
	if err := t.readColumns(ctx, q); err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	if err := t.readIndexes(ctx, q); err != nil {
		return fmt.Errorf("indexes: %w", err)
	}
	if index := t.chooseKey(); index != nil {
		t.key = index.columns
	}
	return nil
}

func (t *tableFacts) readKind(ctx context.Context, q queryer) error {
	const query = `SELECT TABLE_TYPE, coalesce(ENGINE, ''), coalesce(TABLE_ROWS, -1) FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND BINARY TABLE_NAME = ?`
	err := q.QueryRowContext(ctx, query, t.stored.Schema, t.stored.Name, t.stored.Name).Scan(&t.kind, &t.engine, &t.rows)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// counters are what of a definition changes without anybody's doing.
var counters = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// readDefinition returns the text of SHOW CREATE TABLE, which tells also the
// foreign keys that information_schema hides from an account that may only read.
func readDefinition(ctx context.Context, q queryer, table cdc.TableName) (string, error) {
	rows, err := q.QueryContext(ctx, "SHOW CREATE TABLE "+quoteTable(table))
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	// A table has two columns, a view or a sequence more: the second is the text.
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if !rows.Next() {
		return "", errors.Join(rows.Err(), rows.Close())
	}
	if err := rows.Scan(into...); err != nil || len(values) < 2 {
		return "", errors.Join(err, rows.Close())
	}
	return counters.ReplaceAllString(values[1].String, ""), rows.Close()
}

func (t *tableFacts) readColumns(ctx context.Context, q queryer) error {
	const query = `SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, coalesce(CHARACTER_SET_NAME, ''), coalesce(COLLATION_NAME, '')
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`
	return eachRow(ctx, q, query, []any{t.stored.Schema, t.stored.Name}, func(rows *sql.Rows) error {
		var name, dataType, columnType, charset string
		var details columnDetails
		if err := rows.Scan(&name, &dataType, &columnType, &charset, &details.collation); err != nil {
			return err
		}
		c, ok := newColumn(name, dataType, columnType, charset)
		if !ok {
			t.unknown = append(t.unknown, name)
		}
		t.columns, t.details = append(t.columns, c), append(t.details, details)
		return nil
	})
}

// readIndexes reads the unique indexes whose columns all are NOT NULL, and those by
// whose first column rows are found. Parts that are expressions have no column, and
// may be NULL.
func (t *tableFacts) readIndexes(ctx context.Context, q queryer) error {
	// What says that the optimizer ignores an index has another name on each server.
	const query = `SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX`
	unfit, finds := make(map[string]bool), make(map[string]bool)
	err := eachNamed(ctx, q, query, []any{t.stored.Schema, t.stored.Name}, func(row map[string]string) error {
		name, column := row["INDEX_NAME"], row["COLUMN_NAME"]
		if n := len(t.indexes); n == 0 || t.indexes[n-1].name != name {
			t.indexes = append(t.indexes, indexFacts{name: name, hidden: row["IS_VISIBLE"] == "NO" || row["IGNORED"] == "YES"})
			finds[name] = row["INDEX_TYPE"] == "BTREE" && !t.indexes[len(t.indexes)-1].hidden
		}
		last := &t.indexes[len(t.indexes)-1]
		last.columns, last.prefix = append(last.columns, column), last.prefix || row["SUB_PART"] != ""
		unfit[name] = unfit[name] || row["NON_UNIQUE"] != "0" || row["NULLABLE"] == "YES" || column == ""
		return nil
	})
	for _, i := range t.indexes {
		if finds[i.name] {
			t.finding = append(t.finding, i)
		}
	}
	t.indexes = slices.DeleteFunc(t.indexes, func(i indexFacts) bool { return unfit[i.name] })
	return err
}

// eachNamed calls f for each row of a query, with its values by the names of their
// columns. NULL is empty.
func eachNamed(ctx context.Context, q queryer, query string, args []any, f func(map[string]string) error) error {
	var names []string
	return eachRow(ctx, q, query, args, func(rows *sql.Rows) (err error) {
		if names == nil {
			if names, err = rows.Columns(); err != nil {
				return err
			}
		}
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make(map[string]string, len(names))
		for i, name := range names {
			row[strings.ToUpper(name)] = values[i].String
		}
		return f(row)
	})
}

// namesLimit bounds the names that are looked through for what a missing table
// was meant to be.
const namesLimit = 100_000

func (c *catalog) readNames(ctx context.Context, q queryer) error {
	const query = `SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
		WHERE TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') LIMIT ?`
	return eachRow(ctx, q, query, []any{namesLimit}, func(rows *sql.Rows) error {
		var n cdc.TableName
		err := rows.Scan(&n.Schema, &n.Name)
		c.names = append(c.names, n)
		return err
	})
}

// eachRow calls f for each row of a query.
func eachRow(ctx context.Context, q queryer, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
