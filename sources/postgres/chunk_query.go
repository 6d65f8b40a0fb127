package postgres

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tailstock/connector/backfill"
)

// beginSQL begins the transaction of a chunk and yields the row that
// parseMoment reads. It is one message for the server.
//
// The order matters. The locks come first: a snapshot from before a TRUNCATE or
// an ALTER TABLE that rewrites shows the table empty (observed), and LOCK takes
// none. (ONLY stands for a table with inheritance children; without it LOCK takes
// a partitioned table's partitions too.) Then one statement takes the snapshot
// and, running already, reads the end of the log: all that it sees lies before
// it. That is before the rows are read, because reading writes log as well where
// pages have checksums, which nobody flushes on an idle server.
//
// The planner is kept from reading the whole table for every chunk when its
// statistics mislead it. Rows that refer to others are few, and are sorted.
func (p *chunkPlan) beginSQL(r *backfill.Request) string {
	path := append([]string{"pg_catalog"}, p.path...)
	few := "off"
	if r.Referring != nil {
		few = "on"
	}
	return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		SET LOCAL row_security = off;
		SET LOCAL search_path = ` + strings.Join(append(path, "pg_temp"), ", ") + `;
		SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = ` + few + `; SET LOCAL enable_sort = ` + few + `;
		SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL max_parallel_workers_per_gather = 0;
		LOCK TABLE ` + p.relation.sqlName() + ` IN ACCESS SHARE MODE;
		SELECT pg_current_snapshot(), pg_is_in_recovery(), system_identifier,
			CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END,
			CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() END,
			` + p.signatureSQL + ` FROM pg_control_system()`
}

// rowsSQL returns the statement that reads the rows of r, and its parameters.
func (p *chunkPlan) rowsSQL(r *backfill.Request) (query string, params [][]byte, err error) {
	switch {
	case r.Keys != nil && r.Where != nil:
		return "", nil, errors.New("a chunk of listed keys has no condition")
	case r.Keys != nil:
		return p.listSQL(r.Keys)
	}
	if r.Limit < 1 {
		return "", nil, fmt.Errorf("a chunk of at most %d rows", r.Limit)
	}
	conditions, params, err := p.rangeSQL(&r.Range)
	if err != nil {
		return "", nil, err
	}
	if r.Referring != nil {
		if r.Where != nil {
			return "", nil, errors.New("a chunk of rows that refer to others has no condition")
		}
		condition, values, err := p.referringSQL(r.Referring, len(params))
		if err != nil {
			return "", nil, err
		}
		conditions, params = append(conditions, condition), append(params, values...)
	}
	query = "SELECT " + p.columnsSQL() + " FROM " + p.relation.sqlName()
	if len(conditions) > 0 {
		query += " WHERE " + strings.Join(conditions, " AND ")
	}
	if r.Referring != nil {
		// Without OFFSET the planner may hope to meet enough of the rows soon in the order of the key.
		query = "SELECT * FROM (" + query + " OFFSET 0) AS t"
	}
	query = fmt.Sprintf("%s ORDER BY %s LIMIT %d", query, p.orderSQL(""), r.Limit)
	if r.Where != nil {
		return p.selectSQL(query, params, r.Where)
	}
	return query, params, nil
}

// rangeSQL returns the conditions for the rows of a range that the publication has,
// and their parameters.
func (p *chunkPlan) rangeSQL(r *backfill.Range) (conditions []string, params [][]byte, err error) {
	bound := func(key backfill.Key, operator string) error {
		if key == nil {
			return nil
		}
		condition, err := p.compare(key, operator, len(params))
		if err != nil {
			return err
		}
		for i, text := range key {
			params = append(params, []byte(literal(p.key[i].family, text)))
		}
		conditions = append(conditions, condition)
		return nil
	}
	after := p.key[0].greater
	if r.Including {
		after = p.key[0].atLeast
	}
	if err := bound(r.After, after); err != nil {
		return nil, nil, err
	}
	if err := bound(r.Upto, p.key[0].atMost); err != nil {
		return nil, nil, err
	}
	if p.relation.filter != "" {
		conditions = append(conditions, "("+p.relation.filter+")")
	}
	return conditions, params, nil
}

// referringSQL returns the condition for rows that refer to others, and its
// parameters, which are behind the first n. Each column has one of its values: that
// is what an index serves, and of few rows more than those that are asked for is it true.
func (p *chunkPlan) referringSQL(r *backfill.Referring, n int) (condition string, params [][]byte, err error) {
	if err := r.Check(); err != nil {
		return "", nil, err
	}
	var conditions []string
	for at, column := range r.Columns {
		i := p.table.Column(column)
		if i < 0 {
			return "", nil, fmt.Errorf("column %q is not one of those that are captured", column)
		}
		cast, texts := arrayOf(p.table.Columns[i].Type, r.Texts(at))
		params = append(params, textArray(texts))
		conditions = append(conditions, fmt.Sprintf("%s = ANY ($%d%s)", quoteName(column), n+len(params), cast))
	}
	return strings.Join(conditions, " AND "), params, nil
}

// wholeNumber reports whether s is a bigint.
func wholeNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

func (p *chunkPlan) columnsSQL() string {
	var names []string
	for _, c := range p.relation.columns {
		names = append(names, c.name)
	}
	return quoteNames(names)
}

// compare returns the condition that compares the whole key with parameters
// after the first n.
func (p *chunkPlan) compare(key backfill.Key, operator string, n int) (string, error) {
	if len(key) != len(p.key) {
		return "", fmt.Errorf("the bound %q has %d values, and the key (%s) has %d", key, len(key), quoteNames(p.relation.key), len(p.key))
	}
	var columns, values []string
	for i := range p.key {
		columns = append(columns, p.key[i].sql())
		values = append(values, fmt.Sprintf("$%d::%s", n+i+1, p.key[i].typeName))
	}
	return fmt.Sprintf("ROW(%s) OPERATOR(%s) ROW(%s)", strings.Join(columns, ", "), operator, strings.Join(values, ", ")), nil
}

// sql returns the column as its index compares it.
func (c *orderColumn) sql() string {
	if c.collation != "" {
		return quoteName(c.name) + " COLLATE " + c.collation
	}
	return quoteName(c.name)
}

// orderSQL returns the order of the key, of columns that prefix qualifies.
func (p *chunkPlan) orderSQL(prefix string) string {
	var order []string
	for i := range p.key {
		sql := prefix + p.key[i].sql()
		if p.key[i].less != "<" {
			sql += " USING OPERATOR(" + p.key[i].less + ")"
		}
		order = append(order, sql)
	}
	return strings.Join(order, ", ")
}

// listSQL returns the statement that reads rows by key. Keys that the index
// takes for the same yield their row each.
func (p *chunkPlan) listSQL(keys []backfill.Key) (query string, params [][]byte, err error) {
	columns := make([][]string, len(p.key))
	for _, key := range keys {
		if len(key) != len(p.key) {
			return "", nil, fmt.Errorf("the key %q has %d values, and the key (%s) has %d", key, len(key), quoteNames(p.relation.key), len(p.key))
		}
		for i, text := range key {
			columns[i] = append(columns[i], literal(p.key[i].family, text))
		}
	}
	var arrays, names, conditions []string
	for i := range p.key {
		c := &p.key[i]
		params = append(params, textArray(columns[i]))
		arrays = append(arrays, fmt.Sprintf("$%d::text[]", i+1))
		names = append(names, fmt.Sprintf("k%d", i+1))
		conditions = append(conditions, fmt.Sprintf("t.%s OPERATOR(%s) CAST(k.k%d AS %s)", c.sql(), c.equal, i+1, c.typeName))
	}
	if p.relation.filter != "" {
		conditions = append(conditions, "("+p.relation.filter+")")
	}
	// OFFSET makes the server look each key up.
	query = fmt.Sprintf("SELECT t.* FROM unnest(%s) AS k(%s), LATERAL (SELECT %s FROM %s AS t WHERE %s OFFSET 0) AS t ORDER BY %s",
		strings.Join(arrays, ", "), strings.Join(names, ", "), p.columnsSQL(), p.relation.sqlName(),
		strings.Join(conditions, " AND "), p.orderSQL("t."))
	return query, params, nil
}
