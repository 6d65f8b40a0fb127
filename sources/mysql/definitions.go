package mysql

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// A log that does not name the columns of tables (binlog_row_metadata is not FULL,
// and MySQL before 8.0 has no such setting) is read by the catalog, which knows the
// tables as they are now, and not as they were when a change was made. It may be used
// for a change if the definition is known not to have changed between the two:
//   - the token has the digest that the definition still has, or
//   - the log has, from there to where it ended when the catalog had been read, no
//     statement that could have changed it.
//
// Otherwise it is not, and a change ends the stream. Number and types of the columns
// are compared all the same.

// digest identifies the definition of a table as far as rows depend on it.
func (d *description) digest() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q.%q", d.name.Schema, d.name.Name)
	for i := range d.columns {
		c := &d.columns[i]
		fmt.Fprintf(h, ",%q %q %q", c.name, c.sourceType, c.charset)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digests joins those of tables for a token.
func digests(catalog map[cdc.TableName]*description) string {
	var all []string
	for _, d := range catalog {
		if d != nil {
			all = append(all, d.digest())
		}
	}
	if len(all) == 0 {
		return unnamedSchema
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// trust notes of each table whether the catalog may be used for changes that were
// made since the token.
func (b *binder) trust(schema string) {
	b.trusted = make(map[cdc.TableName]bool)
	known := strings.Split(schema, ",")
	for name, d := range b.catalog {
		b.trusted[name] = d != nil && slices.Contains(known, d.digest())
	}
}

// redefine reads a table anew that was altered by the statement that ends at from,
// and notes whether what the catalog says now is what the statement made.
func (b *binder) redefine(name cdc.TableName, from place) error {
	d, err := b.lookup.describe(name)
	if err != nil {
		return err
	}
	altered, err := b.lookup.altered(name, from)
	if err != nil {
		return err
	}
	delete(b.stale, name)
	b.catalog[name] = d
	b.trusted[name] = d != nil && !altered
	return nil
}

// maxScanned is how many events are looked at for statements that alter a table.
const maxScanned = 50_000

// altered reports whether the log has, from a place on, a statement that may have
// changed the definition of a table. If that is too much to look at, it has.
func (l *serverLookup) altered(table cdc.TableName, from place) (bool, error) {
	to, err := readPlace(l.ctx, l.conn, l.placeQuery)
	if err != nil {
		return false, err
	}
	files, err := readFiles(l.ctx, l.conn)
	if err != nil {
		return false, err
	}
	left := maxScanned
	for _, f := range files {
		first := place{f.file, binlogStart}
		if from.file == f.file {
			first = from
		}
		if first.compare(from) < 0 || first.compare(to) >= 0 {
			continue
		}
		found, err := l.scan(table, first, &left)
		if err != nil || found {
			return true, err
		}
	}
	return false, nil
}

// scan looks for a statement that alters a table in one file.
func (l *serverLookup) scan(table cdc.TableName, from place, left *int) (found bool, err error) {
	query := fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %d LIMIT %d", strings.ReplaceAll(from.file, "'", "''"), from.pos, *left) //nolint:gosec // the name of a file, quoted, and numbers
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	rows, err := l.conn.QueryContext(ctx, query)
	if err != nil {
		return false, fmt.Errorf("SHOW BINLOG EVENTS: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		*left--
		var file, kind string
		var start, server, end uint64
		var info sql.RawBytes
		if err := rows.Scan(&file, &start, &kind, &server, &end, &info); err != nil {
			return false, fmt.Errorf("SHOW BINLOG EVENTS: %w", err)
		}
		found = found || l.alters(table, kind, string(info)) || *left <= 0
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("SHOW BINLOG EVENTS: %w", err)
	}
	return found, nil
}

// alters reports whether an event, as the server shows it, may alter a table.
func (l *serverLookup) alters(table cdc.TableName, kind, info string) bool {
	if !strings.HasPrefix(kind, "Query") {
		return false
	}
	schema := ""
	if rest, ok := strings.CutPrefix(info, "use `"); ok {
		if name, statement, ok := strings.Cut(rest, "`; "); ok {
			schema, info = name, statement
		}
	}
	s := parseStatement(info, schema)
	switch s.verb {
	case verbDefine, verbEmpty, verbRename, verbReplace:
		for _, t := range s.tables {
			if strings.EqualFold(t.Name, table.Name) && strings.EqualFold(t.Schema, table.Schema) {
				return s.word != "TRUNCATE"
			}
		}
		return false
	case verbEmptySchema:
		return strings.EqualFold(s.tables[0].Schema, table.Schema)
	default:
		return s.verb == verbUnknown
	}
}
