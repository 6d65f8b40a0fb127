package mysql

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tailstock/connector/cdc"
)

// query handles a statement that was logged as such.
func (d *decoder) query(h *eventHeader, body []byte, start place) error {
	w := &wire{b: body}
	w.take(4 + 4) // the session's number, and how long it took
	schemaBytes := int(w.uint8())
	w.take(2) // an error that the statement met
	w.take(int(w.uint16()))
	schema := string(w.take(schemaBytes))
	w.take(1)
	if w.bad {
		return errShort
	}
	text := w.b
	if h.kind == eventMariaQueryCompressed {
		var err error
		if text, err = decompressed(text); err != nil {
			return fmt.Errorf("statement at %s: %w", start, err)
		}
	}
	s := quickStatement(text)
	if s.verb == verbOther {
		s = parseStatement(string(text), schema)
	}
	if !d.group.open {
		// MySQL before 5.7 without GTIDs, and events that MariaDB puts outside of groups.
		g := group{start: start, at: time.Unix(int64(h.timestamp), 0).UTC()}
		g.skip, g.again = !d.token.byGTID && g.start.compare(d.from) < 0, g.start.String()
		if err := d.open(g); err != nil {
			return err
		}
	}
	return d.statement(&s, h)
}

// quickStatement recognises the statements that every transaction has.
func quickStatement(text []byte) statement {
	switch string(text) {
	case "BEGIN":
		return statement{verb: verbBegin}
	case "COMMIT":
		return statement{verb: verbCommit}
	}
	return statement{}
}

// statement does what a statement does to the group.
func (d *decoder) statement(s *statement, h *eventHeader) error {
	switch s.verb {
	case verbBegin:
		d.group.begun = true
		return nil
	case verbCommit:
		return d.finish()
	case verbRollback:
		return d.rollback(s)
	case verbRollbackTo:
		if len(d.changes) == 0 && d.part == 0 || d.group.skip {
			return nil
		}
		return d.rolledBack(s)
	case verbXAStart:
		d.group.begun, d.group.xid = true, s.xid
		return nil
	case verbXAEnd:
		return nil
	case verbXAPrepare:
		return d.hold(s.xid)
	case verbXACommit:
		return d.decide(s.xid, true)
	case verbXARollback:
		return d.decide(s.xid, false)
	case verbRows:
		if d.group.skip {
			break
		}
		return d.statementRows(s.word, h)
	default:
		if d.group.skip {
			break
		}
		if err := d.define(s); err != nil {
			return err
		}
	}
	if d.group.begun {
		return nil // within a transaction, such as CREATE TABLE … SELECT
	}
	return d.finish()
}

// rollback ends a group whose changes did not happen. The server logs such a group
// only if it changed tables of an engine without transactions as well, and then
// what it logged of those did happen.
func (d *decoder) rollback(s *statement) error {
	if d.part == 0 && len(d.changes) == 0 || d.group.skip {
		return d.finish()
	}
	return d.rolledBack(s)
}

func (d *decoder) rolledBack(s *statement) error {
	return &cdc.GapError{
		Reason: cdc.GapSkipped,
		Detail: fmt.Sprintf("transaction %s at %s changed captured tables and was rolled back (%s) after it had changed tables "+
			"of an engine without transactions, so that its rows cannot be told apart", d.group.name(), d.group.start, s.word),
		Fix: reloadFix,
	}
}

// statementRows refuses rows that were changed by a statement that was logged as
// such: nobody but the server could tell which rows those were.
func (d *decoder) statementRows(word string, h *eventHeader) error {
	return &cdc.GapError{
		Reason: cdc.GapSkipped,
		Detail: fmt.Sprintf("a session of server %d logged a statement (%s) in transaction %s at %s instead of the rows that it changed: "+
			"its binlog_format was not ROW", h.server, word, d.group.name(), d.group.start),
		Fix: "SET GLOBAL binlog_format = 'ROW', and let no session change it; " + reloadFix,
	}
}

// define handles a statement that changes definitions, or takes rows away without
// logging each.
func (d *decoder) define(s *statement) error {
	if s.versioned {
		if name, ok := d.binder.want(s.tables[0]); ok {
			return d.versioned(name)
		}
	}
	switch s.verb {
	case verbEmpty:
		for _, t := range s.tables {
			if err := d.empty(t, s.word != "TRUNCATE"); err != nil {
				return err
			}
		}
	case verbEmptySchema:
		for name := range d.binder.wanted {
			if d.binder.fold(name).Schema == d.binder.fold(s.tables[0]).Schema {
				if err := d.empty(name, true); err != nil {
					return err
				}
			}
		}
	case verbRename:
		for _, t := range s.tables {
			if name, ok := d.binder.want(t); ok {
				return d.replaced(name, "was renamed, or another table was given its name")
			}
		}
	case verbReplace:
		if name, ok := d.binder.want(s.tables[0]); ok {
			return d.replaced(name, "had partitions or its tablespace exchanged or dropped")
		}
	case verbDefine:
		if len(s.tables) > 0 {
			if name, ok := d.binder.want(s.tables[0]); ok {
				if err := d.rewritten(name, s); err != nil {
					return err
				}
				return d.altered(name)
			}
		}
	case verbUnknown:
		for name := range d.binder.wanted {
			if err := d.altered(name); err != nil {
				return err
			}
		}
	default:
	}
	return nil
}

// altered notes that the definition of a table was changed by the statement that was just read.
func (d *decoder) altered(name cdc.TableName) error {
	d.binder.altered(name)
	if d.token.schema == "" {
		return nil
	}
	if err := d.binder.redefine(name, d.at); err != nil {
		return err
	}
	d.token.schema = digests(d.binder.catalog)
	return nil
}

// versioned is the error of a table whose history the log has along with it.
func (d *decoder) versioned(name cdc.TableName) error {
	return &cdc.GapError{
		Reason: cdc.GapSkipped,
		Detail: fmt.Sprintf("table %s became system-versioned in transaction %s at %s: from there on the log has the rows of its history, "+
			"too, and does not tell them apart", name, d.group.name(), d.group.start),
		Fix: "ALTER TABLE " + quoteTable(name) + " DROP SYSTEM VERSIONING; " + reloadFix,
	}
}

// rewritten looks at what a statement did to rows of a table without logging any: a
// column that has other values now. Its rows are compared with the store then. The
// rows that others look up are not, and a key names other rows.
func (d *decoder) rewritten(name cdc.TableName, s *statement) error {
	if s.rekeyed {
		return d.replaced(name, "got another primary key")
	}
	captured := s.converts
	for _, column := range d.binder.captured(name) {
		captured = captured || slices.ContainsFunc(s.columns, func(c string) bool { return strings.EqualFold(c, column) })
	}
	switch {
	case !captured:
	case slices.Contains(d.binder.source.cfg.Lookups, name):
		return d.replaced(name, "had a column altered that others look up")
	default:
		d.doubt([]cdc.TableName{name})
	}
	return nil
}

// replaced is the error of a table whose rows came or left without a change each.
func (d *decoder) replaced(name cdc.TableName, what string) error {
	return &cdc.GapError{
		Reason: cdc.GapSkipped,
		Detail: fmt.Sprintf("table %s %s in transaction %s at %s, so that rows came and left without a change each",
			name, what, d.group.name(), d.group.start),
		Fix: reloadFix,
	}
}

// empty adds the truncation of a table, if it is wanted. A table that was dropped has no rows, too.
func (d *decoder) empty(t cdc.TableName, altered bool) error {
	name, ok := d.binder.want(t)
	if !ok {
		return nil
	}
	table := d.binder.latest[name]
	if altered {
		if err := d.altered(name); err != nil {
			return err
		}
	}
	if table == nil {
		return nil // it was not there when Tail began, and no change of it came since
	}
	return d.add(cdc.Change{Op: cdc.OpTruncate, Table: table})
}
