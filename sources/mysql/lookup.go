package mysql

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"tailstock/connector/cdc"
)

// serverLookup answers the binder from the server, each question once.
type serverLookup struct {
	ctx        context.Context //nolint:containedctx // of the stream that asks
	conn       *sql.Conn
	source     *Source
	placeQuery string
	charsets   map[string]*charset
	collations map[int]string
}

var charsetName = regexp.MustCompile(`^[a-z0-9_]+$`)

// charset returns a character set. What single bytes of it mean, the server says
// itself, so that the stream converts texts as it does.
func (l *serverLookup) charset(name string) (*charset, error) {
	if known := l.charsets[name]; known != nil {
		return known, nil
	}
	c := unicodeCharset(name)
	if c == nil {
		var err error
		if c, err = l.readCharset(name); err != nil {
			return nil, err
		}
	}
	if l.charsets == nil {
		l.charsets = make(map[string]*charset)
	}
	l.charsets[name] = c
	return c, nil
}

func (l *serverLookup) readCharset(name string) (*charset, error) {
	if !charsetName.MatchString(name) {
		return nil, fmt.Errorf("character set %q", name)
	}
	var bytes int
	err := l.conn.QueryRowContext(l.ctx, "SELECT MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME = ?", name).Scan(&bytes)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read character set %s: %w", name, err)
	case bytes != 1:
		length := characterLength(name)
		if length == nil {
			return nil, &cdc.SetupError{
				Object: "character set " + name, Problem: "is not known to this source",
				Fix: "give the captured columns the character set utf8mb4",
			}
		}
		m := &multibyte{name: name, length: length, known: make(map[string]string), convert: l.convert}
		return &charset{name: name, wide: m.append}, nil
	}
	var items []string
	var single [256]string
	into := make([]any, len(single))
	for i := range single {
		items = append(items, fmt.Sprintf("CONVERT(CONVERT(X'%s' USING %s) USING utf8mb4)", hex.EncodeToString([]byte{byte(i)}), name))
		into[i] = &single[i]
	}
	if err := l.conn.QueryRowContext(l.ctx, "SELECT "+strings.Join(items, ", ")).Scan(into...); err != nil {
		return nil, fmt.Errorf("read character set %s: %w", name, err)
	}
	return &charset{name: name, single: &single}, nil
}

// convert asks the server what one character is.
func (l *serverLookup) convert(set string, character []byte) (text string, err error) {
	query := fmt.Sprintf("SELECT CONVERT(CONVERT(X'%s' USING %s) USING utf8mb4)", hex.EncodeToString(character), set) //nolint:gosec // hexadecimal digits, and a name that was matched
	var s sql.NullString
	if err := l.conn.QueryRowContext(l.ctx, query).Scan(&s); err != nil {
		return "", fmt.Errorf("convert %x from %s: %w", character, set, err)
	}
	return s.String, nil
}

// collation returns the name of the character set of a collation.
func (l *serverLookup) collation(id int) (string, error) {
	if l.collations == nil {
		if err := l.readCollations(); err != nil {
			return "", fmt.Errorf("read collations: %w", err)
		}
	}
	name, ok := l.collations[id]
	if !ok {
		return "", fmt.Errorf("collation %d is not known to the server", id)
	}
	return name, nil
}

func (l *serverLookup) readCollations() error {
	// Unlike information_schema.COLLATIONS, it has MariaDB's collations of every set.
	rows, err := l.conn.QueryContext(l.ctx, "SHOW COLLATION")
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	l.collations = make(map[int]string)
	for rows.Next() {
		var name string
		var set sql.NullString
		var id sql.NullInt64
		into := []any{&name, &set, &id}
		for range columns[min(3, len(columns)):] {
			into = append(into, new(any))
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		l.collations[int(id.Int64)] = set.String
	}
	return rows.Err()
}

// describe returns a table as the catalog has it now, nil if it is not there or not
// as it is wanted.
func (l *serverLookup) describe(table cdc.TableName) (*description, error) {
	wanted := cdc.Wanted{table: l.source.wantedNow()[table]}
	catalog, err := readCatalog(l.ctx, l.conn, wanted)
	if setup := (*cdc.SetupError)(nil); errorAs(err, &setup) {
		return nil, nil //nolint:nilnil // the table map itself may say enough
	}
	if err != nil {
		return nil, err
	}
	return catalog[table], nil
}
