package mysql

import (
	"context"
	"fmt"
	"maps"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// completeRows is how many rows one statement reads: large values are what row
// images leave out.
const completeRows = 200

// Complete fills the Unchanged values of rows from the source, by key, and sets
// After to nil where the row is gone. Each row is read as of a moment at which
// transaction t is visible; values that are not Unchanged stay as they are. If
// columns were removed since, it fails with *cdc.SetupError.
//
// It blocks until t is visible, which takes as long as a semi-synchronous replica
// does to answer, and while DDL holds a table. It reads as Read does, on the
// sessions that are kept for that.
func (s *Source) Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error {
	if len(rows) == 0 {
		return nil
	}
	m, err := s.markAfter(t)
	if err != nil {
		return fmt.Errorf("complete rows of transaction %s: %w", t.ID, err)
	}
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && n < completeRows && rows[n].Table == rows[0].Table {
			n++
		}
		if s.ring.size > 0 { // t may have been read in part
			m.ring = append(m.ring, ringRow{table: rows[0].Table.Name, key: keyOf(rows[0].Table, rows[0].After)})
		}
		if err := s.completeBatch(ctx, m, rows[:n]); err != nil {
			return fmt.Errorf("complete rows of table %s: %w", rows[0].Table.Name, err)
		}
		rows = rows[n:]
	}
	return nil
}

// markAfter is the mark of a moment that sees t, of which a part may be all that
// was read so far: places of committed transactions lie between transactions, so
// that one behind the beginning of t is behind its end.
func (s *Source) markAfter(t *cdc.Transaction) (*mark, error) {
	resume, err := parseToken(t.Resume)
	if err != nil {
		return nil, err
	}
	start, err := parsePlace(t.At)
	if err != nil {
		return nil, err
	}
	if resume.set != nil {
		u, tag, n, err := parseGTID(t.ID)
		if err != nil {
			return nil, err
		}
		resume.set.add(u, tag, n)
	}
	if resume.place.compare(start) <= 0 {
		resume.place = place{start.file, start.pos + 1}
	}
	return &mark{token: resume, xa: s.delivered.undecided(), ring: s.ring.locked()}, nil
}

// completeBatch completes rows of one Table.
func (s *Source) completeBatch(ctx context.Context, m *mark, rows []*cdc.NetChange) error {
	table := rows[0].Table
	keys := make([]backfill.Key, len(rows))
	for i, row := range rows {
		if _, err := table.KeyOf(row.After); err != nil {
			return err
		}
		for _, k := range table.Key {
			keys[i] = append(keys[i], row.After[k].Text())
		}
	}
	chunk, err := s.Read(ctx, m, backfill.Request{Table: table.Name, Keys: keys})
	if err != nil {
		return err
	}
	found := make(map[cdc.RowKey]cdc.Row, len(chunk.Rows))
	for _, row := range chunk.Rows {
		key, err := chunk.Table.KeyOf(row)
		if err != nil {
			return err
		}
		found[key] = row
	}
	from, err := sourceColumns(table, chunk.Table, rows)
	if err != nil {
		return err
	}
	for _, row := range rows {
		key, err := table.KeyOf(row.After)
		if err != nil {
			return err
		}
		fill(row, found[key], from)
	}
	return nil
}

// sourceColumns finds, for each column of table that some row lacks, the one of now.
func sourceColumns(table, now *cdc.Table, rows []*cdc.NetChange) (map[int]int, error) {
	missing := make(map[int]int)
	for _, row := range rows {
		for i, v := range row.After {
			if v.IsUnchanged() {
				missing[i] = now.Column(table.Columns[i].Name)
			}
		}
	}
	for i := range maps.Keys(missing) {
		if missing[i] < 0 || now.Columns[missing[i]].Type != table.Columns[i].Type {
			return nil, &cdc.SetupError{
				Object:  "table " + table.Name.String(),
				Problem: fmt.Sprintf("column %q is gone or has another type, and a value that the log left out cannot be read again", table.Columns[i].Name),
				Fix:     "give it its name and type back, or load the table anew",
			}
		}
	}
	return missing, nil
}

// fill completes row by what was found, nil if the row is gone.
func fill(row *cdc.NetChange, found cdc.Row, from map[int]int) {
	if found == nil {
		row.After = nil
		return
	}
	for to, column := range from {
		if row.After[to].IsUnchanged() {
			row.After[to] = found[column]
		}
	}
}
