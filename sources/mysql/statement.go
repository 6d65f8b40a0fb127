package mysql

import (
	"encoding/hex"
	"strings"

	"tailstock/connector/cdc"
)

// verb is what a logged statement does, as far as that matters here.
type verb uint8

const (
	// verbOther is a statement that changes no rows and no table's definition.
	verbOther verb = iota
	verbBegin
	verbCommit
	verbRollback
	verbRollbackTo
	verbXAStart
	verbXAEnd
	verbXAPrepare
	verbXACommit
	verbXARollback
	// verbRows changes rows, logged as a statement.
	verbRows
	// verbEmpty takes the rows of tables away: TRUNCATE, DROP, CREATE OR REPLACE.
	verbEmpty
	// verbEmptySchema takes away the rows of every table of a schema.
	verbEmptySchema
	// verbRename gives tables other names; tables are pairs of old and new.
	verbRename
	// verbReplace exchanges rows without logging them: partitions and tablespaces.
	verbReplace
	// verbDefine makes a table or changes its definition.
	verbDefine
	// verbUnknown is a statement that is not understood: any definition may have changed.
	verbUnknown
)

// statement is a logged statement as far as it matters.
type statement struct {
	verb   verb
	tables []cdc.TableName
	xid    string
	// word is the first one.
	word string
	// columns are those of the first table whose values an ALTER TABLE may change, every
	// one if converts is set; rekeyed says that the primary key is another.
	columns           []string
	converts, rekeyed bool
	// versioned says that the first table, or a column of it, gets a history of its rows.
	versioned bool
	// onePhase says that an XA COMMIT prepares as well.
	onePhase bool
}

// harmless are first words of statements that change neither rows nor tables.
var harmless = map[string]bool{ //nolint:gochecknoglobals // a constant of a map type
	"": true, "SAVEPOINT": true, "RELEASE": true, "GRANT": true, "REVOKE": true, "SET": true, "FLUSH": true, "ANALYZE": true,
	"OPTIMIZE": true, "REPAIR": true, "CHECK": true, "CHECKSUM": true, "INSTALL": true, "UNINSTALL": true, "KILL": true,
	"LOCK": true, "UNLOCK": true, "USE": true, "SHOW": true, "RESET": true, "CACHE": true, "PURGE": true,
}

// parseStatement tells what a statement does. schema is the session's.
func parseStatement(text, schema string) statement {
	t := &tokens{text: text}
	first := t.next()
	s := statement{word: first.upper}
	switch first.upper {
	case "SET":
		if t.settings() {
			return parseStatement(t.text, schema)
		}
	case "ANALYZE":
		switch t.next().upper {
		case "TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG":
		default: // MariaDB: a statement that is executed, and explained
			s.verb = verbRows
		}
	case "BEGIN":
		s.verb = verbBegin
	case "START":
		s.verb = verbBegin
	case "COMMIT":
		s.verb = verbCommit
	case "ROLLBACK":
		s.verb = verbRollback
		t.skip("WORK")
		if t.skip("TO") {
			s.verb = verbRollbackTo
		}
	case "XA":
		s.xa(t)
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "SELECT", "DO", "WITH", "VALUES", "HANDLER", "TABLE", "IMPORT", "EXECUTE":
		s.verb = verbRows
	case "TRUNCATE":
		s.verb = verbEmpty
		t.skip("TABLE")
		s.add(t, schema)
	case "DROP":
		s.drop(t, schema)
	case "CREATE":
		s.create(t, schema)
	case "ALTER":
		s.alter(t, schema)
	case "RENAME":
		s.rename(t, schema)
	default:
		if !harmless[first.upper] || first.kind == tokenMark {
			s.verb = verbUnknown
		}
	}
	return s
}

// settings takes what stands before a statement for which alone it sets variables,
// as MariaDB logs it: SET STATEMENT … FOR. Without that it takes all there is.
func (t *tokens) settings() bool {
	if t.next().upper != "STATEMENT" {
		return false
	}
	depth := 0
	for token := t.next(); token.kind != tokenEnd; token = t.next() {
		switch {
		case token.kind == tokenMark && token.text == "(":
			depth++
		case token.kind == tokenMark && token.text == ")":
			depth--
		case token.upper == "FOR" && depth == 0:
			return true
		}
	}
	return false
}

// add takes the name of a table.
func (s *statement) add(t *tokens, schema string) {
	n := cdc.TableName{Schema: schema, Name: t.next().text}
	if t.peek().text == "." && t.peek().kind == tokenMark {
		t.next()
		n = cdc.TableName{Schema: n.Name, Name: t.next().text}
	}
	s.tables = append(s.tables, n)
}

func (s *statement) drop(t *tokens, schema string) {
	temporary := t.skip("TEMPORARY")
	switch what := t.next().upper; what {
	case "TABLE", "TABLES":
		t.skip("IF", "EXISTS")
		s.add(t, schema)
		for t.peek().text == "," {
			t.next()
			s.add(t, schema)
		}
		if !temporary {
			s.verb = verbEmpty
		}
	case "DATABASE", "SCHEMA":
		t.skip("IF", "EXISTS")
		s.verb = verbEmptySchema
		s.tables = []cdc.TableName{{Schema: t.next().text}}
	case "INDEX":
		s.verb = verbDefine
		s.on(t, schema)
	}
}

// on takes the table behind the word ON.
func (s *statement) on(t *tokens, schema string) {
	for token := t.next(); token.kind != tokenEnd; token = t.next() {
		if token.upper == "ON" {
			s.add(t, schema)
			return
		}
	}
}

func (s *statement) create(t *tokens, schema string) {
	replace := t.skip("OR", "REPLACE")
	temporary := t.skip("TEMPORARY")
	t.skip("ONLINE", "OFFLINE", "UNIQUE", "FULLTEXT", "SPATIAL")
	switch t.next().upper {
	case "TABLE":
		t.skip("IF", "NOT", "EXISTS")
		s.add(t, schema)
		switch {
		case temporary:
		case replace:
			s.verb = verbEmpty
		default:
			s.verb = verbDefine
		}
		var last [2]sqlToken
		for token := t.next(); token.kind != tokenEnd; token = t.next() {
			s.version(&last, token)
		}
	case "INDEX":
		s.verb = verbDefine
		s.on(t, schema)
	}
}

func (s *statement) rename(t *tokens, schema string) {
	if what := t.next().upper; what != "TABLE" && what != "TABLES" {
		return // users
	}
	s.verb = verbRename
	for {
		t.skip("IF", "EXISTS")
		s.add(t, schema)
		if t.peek().upper == "WAIT" || t.peek().upper == "NOWAIT" { // MariaDB
			t.next()
			for t.peek().kind != tokenEnd && t.peek().upper != "TO" {
				t.next()
			}
		}
		t.skip("TO")
		s.add(t, schema)
		if t.peek().text != "," {
			return
		}
		t.next()
	}
}

func (s *statement) alter(t *tokens, schema string) {
	t.skip("ONLINE", "OFFLINE", "IGNORE")
	if t.next().upper != "TABLE" {
		return
	}
	t.skip("IF", "EXISTS")
	s.verb = verbDefine
	s.add(t, schema)
	depth, last, before, clause := 0, sqlToken{}, [2]sqlToken{}, true
	for token := t.next(); token.kind != tokenEnd; token = t.next() {
		s.version(&before, token)
		if clause {
			clause = s.clause(*t, token)
		}
		clause = clause || depth == 0 && token.kind == tokenMark && token.text == ","
		s.rekeyed = s.rekeyed || token.upper == "PRIMARY"
		if token.kind == tokenMark {
			switch token.text {
			case "(":
				depth++
			case ")":
				depth--
			}
		}
		if depth == 0 && token.kind == tokenWord {
			s.alteration(t, last, token, schema)
		}
		last = token
	}
}

// clause looks at the first word of one of the things that an ALTER TABLE does, with
// what comes behind it. It reports whether the next one begins only now.
func (s *statement) clause(ahead tokens, first sqlToken) bool {
	switch first.upper {
	case "WAIT", "NOWAIT": // MariaDB
		return true
	case "CONVERT":
		s.converts = s.converts || ahead.skip("TO")
		return false
	case "RENAME":
		if ahead.peek().upper != "COLUMN" {
			return false
		}
	case "DROP", "CHANGE", "MODIFY":
	default:
		return first.kind == tokenWord && first.text[0] >= '0' && first.text[0] <= '9' // of WAIT
	}
	ahead.skip("COLUMN")
	ahead.skip("IF", "EXISTS")
	switch column := ahead.next(); column.upper {
	case "INDEX", "KEY", "PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK", "PARTITION", "PERIOD", "SYSTEM":
	default:
		s.columns = append(s.columns, column.text)
	}
	return false
}

// version looks for ADD SYSTEM VERSIONING and WITH SYSTEM VERSIONING, last being the
// two tokens before.
func (s *statement) version(last *[2]sqlToken, token sqlToken) {
	if token.upper == "VERSIONING" && last[1].upper == "SYSTEM" && (last[0].upper == "ADD" || last[0].upper == "WITH") {
		s.versioned = true
	}
	last[0], last[1] = last[1], token
}

// alteration looks at one word of an ALTER TABLE, last being the one before.
func (s *statement) alteration(t *tokens, last, token sqlToken, schema string) {
	switch token.upper {
	case "RENAME":
		switch next := t.peek(); next.upper {
		case "COLUMN", "INDEX", "KEY":
			return
		case "TO", "AS":
			t.next()
		default:
			if next.text == "=" {
				t.next()
			}
		}
		s.verb = verbRename
		s.add(t, schema)
	case "PARTITION":
		switch last.upper {
		case "TRUNCATE", "DROP", "EXCHANGE", "DISCARD", "IMPORT", "CONVERT":
			s.verb = verbReplace
		}
	case "TABLESPACE":
		if last.upper == "DISCARD" || last.upper == "IMPORT" {
			s.verb = verbReplace
		}
	case "TABLE":
		if last.upper == "CONVERT" { // MariaDB: a table becomes a partition
			s.verb = verbReplace
		}
	}
}

func (s *statement) xa(t *tokens) {
	verbs := map[string]verb{
		"START": verbXAStart, "BEGIN": verbXAStart, "END": verbXAEnd,
		"PREPARE": verbXAPrepare, "COMMIT": verbXACommit, "ROLLBACK": verbXARollback,
	}
	word := t.next().upper
	s.word += " " + word
	s.verb = verbs[word]
	if s.verb == 0 {
		s.verb = verbUnknown
		return
	}
	s.xid = parseXID(t)
	for token := t.next(); token.kind != tokenEnd; token = t.next() {
		if token.upper == "ONE" {
			s.onePhase = true
		}
	}
}

// parseXID reads gtrid [, bqual [, formatID]], each part X'hex' or a string, and
// returns them as "gtrid,bqual,formatID" with the first two in hexadecimal.
func parseXID(t *tokens) string {
	part := func() string {
		token := t.next()
		switch {
		case token.upper == "X" && t.peek().kind == tokenText:
			return strings.ToLower(t.next().text)
		case token.kind == tokenText:
			return hex.EncodeToString([]byte(token.text))
		case strings.HasPrefix(token.upper, "0X"):
			return strings.ToLower(token.text[2:])
		}
		return ""
	}
	gtrid, bqual, format := part(), "", "1"
	if t.peek().text == "," {
		t.next()
		bqual = part()
	}
	if t.peek().text == "," {
		t.next()
		format = t.next().text
	}
	return gtrid + "," + bqual + "," + format
}
