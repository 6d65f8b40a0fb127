package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// completion reads the values that some rows of one Table lack.
type completion struct {
	table *cdc.Table
	rows  []*cdc.NetChange
	// columns are the indexes of the columns that at least one row lacks.
	columns []int
	// keys has, for each key column, the rows' values as PostgreSQL takes them for input.
	keys [][]string
}

func newCompletion(rows []*cdc.NetChange) (*completion, error) {
	c := &completion{table: rows[0].Table, rows: rows, keys: make([][]string, len(rows[0].Table.Key))}
	missing := make([]bool, len(c.table.Columns))
	for _, row := range rows {
		if _, err := c.table.KeyOf(row.After); err != nil {
			return nil, err
		}
		for i, v := range row.After {
			missing[i] = missing[i] || v.IsUnchanged()
		}
		for i, column := range c.table.Key {
			c.keys[i] = append(c.keys[i], literal(c.table.Columns[column].Type, row.After[column].Text()))
		}
	}
	for i := range missing {
		if missing[i] {
			c.columns = append(c.columns, i)
		}
	}
	return c, nil
}

// The columns of the query that precede those of the table.
const (
	columnSnapshot = iota
	columnStandby
	columnFound
	columnFirst
)

// run reads the rows once. It changes them only if the statement sees
// transaction xid, and reports whether it did.
func (c *completion) run(ctx context.Context, conn *pgx.Conn, xid uint32) (visible bool, err error) {
	query, err := c.query(ctx, conn)
	if err != nil {
		return false, err
	}
	next := 0
	found := make([][]cdc.Value, len(c.rows))
	err = readText(ctx, conn, query, c.keys, func(values [][]byte) error {
		if next == 0 {
			if string(values[columnStandby]) != "f" {
				return errStandby
			}
			snap, err := parseSnapshot(string(values[columnSnapshot]))
			if err != nil {
				return err
			}
			visible = snap.visible(snap.widen(xid))
		}
		if visible && string(values[columnFound]) == "t" {
			found[next] = c.values(values[columnFirst:])
		}
		next++
		return nil
	})
	if err == nil && next != len(c.rows) {
		err = fmt.Errorf("asked for %d rows and got %d", len(c.rows), next)
	}
	if err != nil || !visible {
		return false, c.readError(err)
	}
	for i, row := range c.rows {
		c.fill(row, found[i])
	}
	return true, nil
}

// SQLSTATE codes of names that went away.
const (
	stateUndefinedColumn = "42703"
	stateUndefinedTable  = "42P01"
)

// readError says what an error of the statement that reads the rows means.
func (c *completion) readError(err error) error {
	switch sqlState(err) {
	case stateUndefinedColumn, stateUndefinedTable:
		return c.goneError(err)
	case statePrivilege:
		return &cdc.SetupError{
			Object:  "table " + c.table.Name.String(),
			Problem: "the role may not read a value that the stream left out",
			Fix:     "GRANT SELECT ON " + quoteTable(c.table.Name) + " to the role and, if the table has row-level security, ALTER ROLE … BYPASSRLS",
			Err:     err,
		}
	default:
		return err
	}
}

// goneError is for a table or column that does not exist any more.
func (c *completion) goneError(err error) error {
	return &cdc.SetupError{
		Object:  "table " + c.table.Name.String(),
		Problem: "it or one of its columns is gone, and a value that the stream left out cannot be read again",
		Fix:     "give it its name back, or remove it from the configuration",
		Err:     err,
	}
}

func (c *completion) values(texts [][]byte) []cdc.Value {
	values := make([]cdc.Value, len(texts))
	for i, text := range texts {
		values[i] = textValue(c.table.Columns[c.columns[i]].Type, text)
	}
	return values
}

// fill completes row by what was found, nil if the row is gone.
func (c *completion) fill(row *cdc.NetChange, found []cdc.Value) {
	if found == nil {
		row.After = nil
		return
	}
	for i, column := range c.columns {
		if row.After[column].IsUnchanged() {
			row.After[column] = found[i]
		}
	}
}

// query returns one statement that reads all rows, in the order of the keys,
// with one line for each key whether its row exists or not. The key values are
// cast to the columns' types and compared by the operators of the index, so that
// the index is used whatever those types are and wherever their operators live.
func (c *completion) query(ctx context.Context, conn *pgx.Conn) (string, error) {
	kind, keys, err := c.readKeyColumns(ctx, conn)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	// A key column is NOT NULL, so that it tells whether the row was found.
	b.WriteString("SELECT CASE k.ord WHEN 1 THEN pg_current_snapshot()::text END, pg_is_in_recovery(), t." +
		quoteName(c.table.Columns[c.table.Key[0]].Name) + " IS NOT NULL")
	for _, column := range c.columns {
		b.WriteString(", t." + quoteName(c.table.Columns[column].Name))
	}
	var arrays, names, conditions []string
	for i, key := range keys {
		arrays = append(arrays, fmt.Sprintf("$%d::text[]", i+1))
		names = append(names, fmt.Sprintf("k%d", i+1))
		conditions = append(conditions, fmt.Sprintf("t.%s OPERATOR(%s) k.k%d::%s",
			quoteName(key.name), key.operator, i+1, key.typeName))
	}
	only := ""
	if kind == kindTable {
		only = "ONLY "
	}
	fmt.Fprintf(&b, " FROM unnest(%s) WITH ORDINALITY AS k(%s, ord) LEFT JOIN %s%s AS t ON %s ORDER BY k.ord",
		strings.Join(arrays, ", "), strings.Join(names, ", "), only, quoteTable(c.table.Name), strings.Join(conditions, " AND "))
	return b.String(), nil
}

// keyColumn is how to compare a key column.
type keyColumn struct {
	name string
	// typeName is that of its type or, for a domain, of the base type, without
	// a length: a value must be compared as it is.
	typeName string
	// operator is the qualified equality operator.
	operator string
}

// readKeyColumns reads what the table is now and how its key is compared. The
// operator is that of an index which has the column, the primary key if it can
// be: that of the type "citext", say, belongs to an extension's schema.
func (c *completion) readKeyColumns(ctx context.Context, conn *pgx.Conn) (kind byte, keys []keyColumn, err error) {
	const query = `
		WITH RECURSIVE key AS (
			SELECT k.ord, a.attrelid, a.attnum, a.attname, a.atttypid AS type
			FROM unnest($3::text[]) WITH ORDINALITY AS k(name, ord)
			JOIN pg_attribute a ON a.attname = k.name AND a.attnum > 0
			JOIN pg_class c ON c.oid = a.attrelid AND c.relname = $2
			JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
			UNION ALL
			SELECT k.ord, k.attrelid, k.attnum, k.attname, t.typbasetype
			FROM key k JOIN pg_type t ON t.oid = k.type AND t.typtype = 'd')
		SELECT c.relkind::text, k.attname::text, format_type(k.type, -1),
			coalesce(o.name, 'pg_catalog.=')
		FROM key k JOIN pg_class c ON c.oid = k.attrelid
		JOIN pg_type t ON t.oid = k.type AND t.typtype <> 'd'
		LEFT JOIN LATERAL (
			SELECT quote_ident(n.nspname) || '.' || op.oprname AS name
			FROM pg_index i CROSS JOIN LATERAL generate_subscripts(i.indclass::oid[], 1) AS s
			JOIN pg_opclass oc ON oc.oid = i.indclass[s]
			JOIN pg_amop am ON am.amopfamily = oc.opcfamily AND am.amopstrategy = 3
				AND am.amoplefttype = oc.opcintype AND am.amoprighttype = oc.opcintype
			JOIN pg_operator op ON op.oid = am.amopopr
			JOIN pg_namespace n ON n.oid = op.oprnamespace
			WHERE i.indrelid = k.attrelid AND i.indisunique AND i.indkey[s] = k.attnum
			ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indexrelid LIMIT 1) o ON true
		ORDER BY k.ord`
	names := make([]string, len(c.table.Key))
	for i, column := range c.table.Key {
		names[i] = c.table.Columns[column].Name
	}
	rows, err := conn.Query(ctx, query, c.table.Name.Schema, c.table.Name.Name, names)
	if err != nil {
		return 0, nil, fmt.Errorf("read key columns: %w", err)
	}
	var kindText string
	var key keyColumn
	_, err = pgx.ForEachRow(rows, []any{&kindText, &key.name, &key.typeName, &key.operator}, func() error {
		kind = kindText[0]
		keys = append(keys, key)
		return nil
	})
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("read key columns: %w", err)
	case len(keys) != len(names):
		return 0, nil, c.goneError(nil)
	}
	return kind, keys, nil
}
