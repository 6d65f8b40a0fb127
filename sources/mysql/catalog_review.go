package mysql

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/internal/spelling"
)

// review judges each table in the order of their names. Every requirement gets a
// verdict, also where it is met, as far as it can be judged: of a missing table
// nothing more is said.
func (c *catalog) review() *review {
	r := &review{}
	named := make(map[cdc.TableName]cdc.TableName)
	for _, t := range c.tables {
		if !c.reviewExistence(r, t) {
			continue
		}
		if other, ok := named[t.stored]; ok {
			r.add(aboutTable, cdc.FindingProblem, t.object(), t.object(),
				fmt.Sprintf("is the same table as %s to the server, which does not tell letter case apart", other), "write the name alike wherever the configuration has it")
		}
		named[t.stored] = t.name
		c.reviewColumns(r, t)
		t.reviewKey(r)
		r.add(aboutReading, cdc.FindingOK, "read access to "+t.object(), t.object(), "granted to "+c.account, "")
		t.reviewEngine(r)
		c.reviewCascades(r, t)
	}
	return r
}

func (t *tableFacts) object() string { return "table " + t.name.String() }

// The table types of information_schema that can be captured.
const kindTable = "BASE TABLE"

// reviewExistence reports whether t is a table that can be captured at all.
func (c *catalog) reviewExistence(r *review, t *tableFacts) bool {
	problem := func(detail, fix string) bool {
		r.add(aboutTable, cdc.FindingProblem, t.object(), t.object(), detail, fix)
		return false
	}
	switch {
	case t.denied != "":
		r.add(aboutReading, cdc.FindingProblem, "read access to "+t.object(), t.object(),
			c.account+" may not read it, if there is such a table ("+t.denied+")", c.grantFix(t))
		return false
	case t.name.Schema == "":
		return problem("has no database before its name", "write it as database.table in the configuration")
	case t.kind == "":
		return problem("does not exist"+c.suggestTables(t.name), "correct the name in the configuration")
	case slices.Contains(systemSchemas, strings.ToLower(t.stored.Schema)):
		return problem("is of the server itself and not in its log", "remove it from the configuration")
	case t.kind == "SYSTEM VERSIONED":
		return problem("is system-versioned: its log has the rows of its history, too, and does not tell them apart",
			"remove it from the configuration, or ALTER TABLE "+quoteTable(t.name)+" DROP SYSTEM VERSIONING;")
	case t.kind != kindTable:
		return problem("is a "+strings.ToLower(t.kind)+", and only tables can be captured",
			"name the tables behind it in the configuration")
	}
	r.add(aboutTable, cdc.FindingOK, t.object(), t.object(), "exists", "")
	return true
}

//nolint:gochecknoglobals // a constant of a slice type
var systemSchemas = []string{"mysql", "information_schema", "performance_schema", "sys"}

func (c *catalog) grantFix(t *tableFacts) string {
	return fmt.Sprintf("GRANT SELECT ON %s TO %s;", quoteTable(t.stored), c.account)
}

// suggestTables names tables that name may have been meant to be: first those
// of the same name in another database, then those that are spelt nearly alike.
func (c *catalog) suggestTables(name cdc.TableName) string {
	var near, all []string
	for _, n := range c.names {
		if n.Name == name.Name && len(near) < spelling.MaxSuggestions {
			near = append(near, n.String())
		}
		all = append(all, n.String())
	}
	if len(near) == 0 {
		near = spelling.NearMisses(name.String(), all)
	}
	return spelling.DidYouMean(near)
}

func (c *catalog) reviewColumns(r *review, t *tableFacts) {
	var names, problems []string
	for _, col := range t.columns {
		names = append(names, col.name)
	}
	for _, want := range slices.Concat(c.wanted[t.name], t.key) {
		switch i := t.index(want); {
		case i < 0:
			problems = append(problems, fmt.Sprintf("has no column %q%s", want, spelling.DidYouMean(spelling.NearMisses(want, names))))
		case slices.Contains(t.unknown, want):
			problems = append(problems, fmt.Sprintf("column %q has the type %s, which is not known", want, t.columns[i].sourceType))
		}
	}
	requirement := "columns of " + t.object()
	if len(problems) > 0 {
		r.add(aboutTable, cdc.FindingProblem, requirement, t.object(), strings.Join(problems, "; "),
			"correct the name in the configuration; the table has "+strings.Join(names, ", "))
		return
	}
	r.add(aboutTable, cdc.FindingOK, requirement, t.object(), "has all that are wanted", "")
}

func (t *tableFacts) reviewKey(r *review) {
	requirement := "key of " + t.object()
	index := t.chooseKey()
	switch {
	case index == nil:
		r.add(aboutTable, cdc.FindingProblem, requirement, t.object(),
			"has no primary key, nor a unique index over whole columns that are NOT NULL",
			"ALTER TABLE "+quoteTable(t.stored)+" ADD PRIMARY KEY (the columns that tell its rows apart);")
	case index.primary():
		r.add(aboutTable, cdc.FindingOK, requirement, t.object(), "primary key ("+strings.Join(index.columns, ", ")+")", "")
	default:
		r.add(aboutTable, cdc.FindingOK, requirement, t.object(),
			"unique index "+quoteName(index.name)+" ("+strings.Join(index.columns, ", ")+")", "")
	}
}

// reviewEngine judges whether chunks of t can be read as of one moment.
func (t *tableFacts) reviewEngine(r *review) {
	requirement := "storage engine of " + t.object()
	if !strings.EqualFold(t.engine, "InnoDB") {
		r.add(aboutChunks, cdc.FindingProblem, requirement, t.object(),
			fmt.Sprintf("is %s, which cannot show a moment of the past: reading the table beside its changes would need a lock that holds up applications", t.engine),
			"ALTER TABLE "+quoteTable(t.stored)+" ENGINE=InnoDB;")
		return
	}
	r.add(aboutChunks, cdc.FindingOK, requirement, t.object(), "is InnoDB", "")
}

// reviewCascades judges the foreign keys that change rows of t when rows of
// another table go away.
func (c *catalog) reviewCascades(r *review, t *tableFacts) {
	var acting []string
	for _, f := range t.foreign {
		if actions := f.changes(); actions != "" {
			acting = append(acting, fmt.Sprintf("%s (%s of %s)", quoteName(f.name), actions, f.parentOf(t.stored)))
		}
	}
	requirement := "foreign keys of " + t.object()
	keys := strings.Join(acting, ", ")
	switch {
	case len(acting) == 0:
		r.add(aboutStreaming, cdc.FindingOK, requirement, t.object(), "none changes its rows", "")
	case c.logsCascades:
		r.add(aboutStreaming, cdc.FindingOK, requirement, t.object(), "the server logs what they do: "+keys, "")
	case c.cascades == CascadesAccept:
		r.add(aboutStreaming, cdc.FindingWarning, requirement, t.object(),
			"change its rows without a word in the server's log, which the configuration accepts: "+keys, "")
	case c.cascades == CascadesVerify && slices.Contains(c.lookups, t.name):
		r.add(aboutStreaming, cdc.FindingProblem, requirement, t.object(),
			"change its rows without a word in the server's log, and rows that others look up are not compared: "+keys,
			"set cascades to accept where applications never cause it, or let the applications change the rows themselves")
	case c.cascades == CascadesVerify:
		r.add(aboutStreaming, cdc.FindingWarning, requirement, t.object(),
			"change its rows without a word in the server's log; the table is read again when that may have happened: "+keys, "")
	default:
		r.add(aboutStreaming, cdc.FindingProblem, requirement, t.object(),
			"change its rows without a word in the server's log: "+keys,
			"set cascades to verify in the source's configuration (the table is then compared with its rows when that may have happened), "+
				"or to accept where applications never cause it, or let the applications delete the rows themselves")
	}
}
