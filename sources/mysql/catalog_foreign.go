package mysql

import (
	"strings"

	"tailstock/connector/cdc"
)

// foreignKey is a foreign key of a table, its child side.
type foreignKey struct {
	name string
	// columns are the child's, references the parent's, in the same order.
	columns, references []string
	// parent has an empty Schema if it is the child's.
	parent cdc.TableName
	// onDelete and onUpdate are CASCADE, SET NULL, SET DEFAULT, RESTRICT or NO
	// ACTION, empty if the definition says nothing.
	onDelete, onUpdate string
}

// changes returns what the key does to its child when a parent row goes away or
// gets another key, "" if it does nothing.
func (f *foreignKey) changes() string {
	var actions []string
	for _, a := range []struct{ when, what string }{{"ON DELETE ", f.onDelete}, {"ON UPDATE ", f.onUpdate}} {
		switch a.what {
		case "CASCADE", "SET NULL", "SET DEFAULT":
			actions = append(actions, a.when+a.what)
		}
	}
	return strings.Join(actions, " ")
}

// parseForeignKeys finds the foreign keys in the text of SHOW CREATE TABLE, which
// has one definition in a line. Names are in backticks there, whatever they hold.
func parseForeignKeys(definition string) []foreignKey {
	var keys []foreignKey
	for line := range strings.SplitSeq(definition, "\n") {
		rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "CONSTRAINT ")
		if !ok {
			continue
		}
		var f foreignKey
		if f.name, rest, ok = cutQuotedName(rest); !ok {
			continue
		}
		if rest, ok = strings.CutPrefix(rest, " FOREIGN KEY ("); !ok {
			continue
		}
		if f.parse(rest) {
			keys = append(keys, f)
		}
	}
	return keys
}

// parse reads "`a`,`b`) REFERENCES `parent` (`id`,`x`) ON DELETE CASCADE,".
func (f *foreignKey) parse(s string) bool {
	var rest string
	var ok bool
	if f.columns, rest, ok = cutNames(s); !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, " REFERENCES "); !ok {
		return false
	}
	if f.parent.Name, rest, ok = cutQuotedName(rest); !ok {
		return false
	}
	if dotted, ok := strings.CutPrefix(rest, "."); ok {
		f.parent.Schema = f.parent.Name
		if f.parent.Name, rest, ok = cutQuotedName(dotted); !ok {
			return false
		}
	}
	if rest, ok = strings.CutPrefix(rest, " ("); !ok {
		return false
	}
	if f.references, rest, ok = cutNames(rest); !ok {
		return false
	}
	f.onDelete, f.onUpdate = action(rest, "ON DELETE "), action(rest, "ON UPDATE ")
	return true
}

// cutNames returns a list of names, and what follows its closing bracket.
func cutNames(s string) (names []string, rest string, ok bool) {
	for {
		var name string
		if name, s, ok = cutQuotedName(s); !ok {
			return nil, s, false
		}
		names = append(names, name)
		if rest, ok := strings.CutPrefix(s, ")"); ok {
			return names, rest, true
		}
		s = strings.TrimLeft(strings.TrimPrefix(s, ","), " ")
	}
}

func action(s, when string) string {
	_, rest, _ := strings.Cut(s, when)
	for _, a := range []string{"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"} {
		if strings.HasPrefix(rest, a) {
			return a
		}
	}
	return ""
}
