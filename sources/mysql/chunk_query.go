package mysql

import (
	"errors"
	"fmt"
	"strings"

	"tailstock/connector/backfill"
)

// rowsSQL returns the statement that reads the rows of r, and its parameters. With
// a condition, each row has behind its columns whether it is selected: all are
// read, so that a chunk takes as long as any other, however few of its rows are
// wanted, and the last row that was looked at is known.
func (p *chunkPlan) rowsSQL(r *backfill.Request) (query string, args []any, err error) {
	switch {
	case r.Keys != nil && (r.Where != nil || r.Referring != nil):
		return "", nil, errors.New("a chunk of listed keys has no condition")
	case r.Where != nil && r.Referring != nil:
		return "", nil, errors.New("a chunk of rows that refer to others has no condition")
	case r.Keys != nil:
		return p.listSQL(r.Keys)
	case r.Limit < 1:
		return "", nil, fmt.Errorf("a chunk of at most %d rows", r.Limit)
	}
	selected := ""
	if r.Where != nil {
		w := whereSQL{plan: p}
		if err := w.condition(r.Where); err != nil {
			return "", nil, fmt.Errorf("condition: %w", err)
		}
		selected, args = ", ("+w.sql.String()+") IS TRUE", w.args
	}
	conditions, bounds, err := p.rangeSQL(&r.Range)
	if err != nil {
		return "", nil, err
	}
	args = append(args, bounds...)
	from := p.fromSQL()
	if r.Referring != nil {
		index, condition, values, err := p.referringSQL(r.Referring)
		if err != nil {
			return "", nil, err
		}
		if index != "" {
			from = quoteTable(p.stored) + " FORCE INDEX (" + quoteName(index) + ")"
			conditions, args = append(conditions, condition), append(args, values...)
		}
	}
	where := ""
	if len(conditions) > 0 {
		where = " WHERE " + strings.Join(conditions, " AND ")
	}
	return fmt.Sprintf("SELECT %s%s FROM %s%s ORDER BY %s LIMIT %d",
		p.columnsSQL(), selected, from, where, p.keySQL(), r.Limit), args, nil
}

// rangeSQL returns the conditions for the rows of a range, and their parameters.
func (p *chunkPlan) rangeSQL(r *backfill.Range) (conditions []string, args []any, err error) {
	bound := func(key backfill.Key, operator, last string) error {
		if key == nil {
			return nil
		}
		params, err := p.parameters(key)
		if err != nil {
			return err
		}
		condition, bounds := p.compare(params, operator, last)
		conditions, args = append(conditions, condition), append(args, bounds...)
		return nil
	}
	after := ">"
	if r.Including {
		after = ">="
	}
	if err := bound(r.After, ">", after); err != nil {
		return nil, nil, err
	}
	if err := bound(r.Upto, "<", "<="); err != nil {
		return nil, nil, err
	}
	return conditions, args, nil
}

// fromSQL returns the table with the index that reads it in the order of the key,
// whatever the optimizer's statistics say.
func (p *chunkPlan) fromSQL() string {
	if p.index == "" {
		return quoteTable(p.stored)
	}
	return quoteTable(p.stored) + " FORCE INDEX (" + quoteName(p.index) + ")"
}

func (p *chunkPlan) columnsSQL() string {
	var names []string
	for _, c := range p.columns {
		names = append(names, c.name)
	}
	return quoteNames(names)
}

func (p *chunkPlan) keySQL() string {
	var names []string
	for i := range p.key {
		names = append(names, p.key[i].name)
	}
	return quoteNames(names)
}

// listSQL returns the statement that reads rows by key. Keys that the collation
// takes for the same yield the one row that there is.
func (p *chunkPlan) listSQL(keys []backfill.Key) (query string, args []any, err error) {
	if len(keys) == 0 {
		return "", nil, errors.New("a chunk of no keys")
	}
	alternatives := make([]string, 0, len(keys))
	for _, key := range keys {
		params, err := p.parameters(key)
		if err != nil {
			return "", nil, err
		}
		tests := make([]string, len(p.key))
		for i := range p.key {
			tests[i] = p.test(i, "=")
		}
		alternatives = append(alternatives, "("+strings.Join(tests, " AND ")+")")
		args = append(args, params...)
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s",
		p.columnsSQL(), p.fromSQL(), strings.Join(alternatives, " OR "), p.keySQL()), args, nil
}
