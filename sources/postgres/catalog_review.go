package postgres

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/internal/spelling"
)

// review judges the catalog: the publication, then each table in the order of
// their names. Every requirement gets a verdict, also where it is met, as far
// as it can be judged: of a missing table nothing more is said.
func (c *catalog) review() *review {
	r := &review{}
	c.reviewPublication(r)
	for _, t := range c.tables {
		if !c.reviewExistence(r, t) {
			continue
		}
		columns := c.reviewColumns(r, t)
		key := t.chooseKey()
		c.reviewKey(r, t, &key)
		if !columns || !key.ok() {
			c.reviewAccess(r, t, nil)
			c.reviewMembership(r, t)
			continue
		}
		rel := c.relationOf(t, key.columns)
		c.reviewAccess(r, t, rel)
		if c.reviewMembership(r, t) {
			c.reviewPublishedColumns(r, t, rel)
		}
		r.relations = append(r.relations, rel)
	}
	return r
}

func tableObject(t *tableFacts) string { return "table " + t.name.String() }

// reviewExistence reports whether t is a table that can be published at all.
func (c *catalog) reviewExistence(r *review, t *tableFacts) bool {
	object := tableObject(t)
	problem := func(detail, fix string) bool {
		r.add(aboutTable, cdc.FindingProblem, object, object, detail, fix)
		return false
	}
	switch {
	case t.oid == 0:
		return problem("does not exist"+c.suggestTables(t.name), "correct the name in the configuration")
	case t.kind != kindTable && t.kind != kindPartitioned:
		return problem(fmt.Sprintf("is %s, and only tables can be captured", kindName(t.kind)), "name the tables behind it in the configuration")
	case t.oid < firstUserOID:
		return problem("is a system catalog, which cannot be published", "remove it from the configuration")
	case t.persistence == 't':
		return problem("is temporary, so that nothing of it is in the server's log", "remove it from the configuration")
	case t.persistence == 'u':
		return problem("is unlogged, so that nothing of it is in the server's log", "ALTER TABLE "+quoteTable(t.name)+" SET LOGGED;")
	}
	for _, leaf := range t.leaves {
		if leaf.kind != kindTable {
			return problem(fmt.Sprintf("its partition %s is %s, whose changes are not in this server's log", leaf.name, kindName(leaf.kind)),
				"name the partitions that are tables in the configuration, in its place")
		}
	}
	for _, root := range c.tables {
		if slices.Contains(root.leaves, t) {
			return problem(fmt.Sprintf("is a partition of table %s, which is captured as well", root.name),
				"remove one of the two from the configuration")
		}
	}
	if t.inherited {
		r.add(aboutTable, cdc.FindingWarning, object, object, "exists; its inheritance children are tables of their own and are not captured with it", "")
		return true
	}
	r.add(aboutTable, cdc.FindingOK, object, object, "exists", "")
	return true
}

// firstUserOID is FirstNormalObjectId of transam.h: what initdb made has smaller OIDs.
const firstUserOID = 16384

func kindName(kind byte) string {
	switch kind {
	case 'v':
		return "a view"
	case 'm':
		return "a materialized view"
	case 'f':
		return "a foreign table"
	case 'S':
		return "a sequence"
	case 'i', 'I':
		return "an index"
	case 'c':
		return "a composite type"
	default:
		return "no table"
	}
}

// suggestTables names tables that name may have been meant to be: first those
// of the same name in another schema, then those that are spelt nearly alike.
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

// reviewColumns reports whether t has all wanted columns.
func (c *catalog) reviewColumns(r *review, t *tableFacts) bool {
	object := tableObject(t)
	var names, unknown []string
	for _, col := range t.columns {
		names = append(names, col.name)
	}
	for _, want := range c.wanted[t.name] {
		if !slices.Contains(names, want) {
			unknown = append(unknown, fmt.Sprintf("has no column %q%s", want, spelling.DidYouMean(spelling.NearMisses(want, names))))
		}
	}
	if len(unknown) > 0 {
		r.add(aboutTable, cdc.FindingProblem, "columns of "+object, object, strings.Join(unknown, "; "),
			"correct the name in the configuration; the table has "+strings.Join(names, ", "))
		return false
	}
	r.add(aboutTable, cdc.FindingOK, "columns of "+object, object, "has all that are wanted", "")
	return true
}

func (c *catalog) reviewKey(r *review, t *tableFacts, key *keyChoice) {
	state := cdc.FindingOK
	if !key.ok() {
		state = cdc.FindingProblem
	}
	r.add(aboutTable, state, "key of "+tableObject(t), tableObject(t), key.detail, key.fix)
}

// reviewAccess judges whether the role can read t: the stream needs no right to
// the table, completing a row and sampling do. rel is nil if t has no relation.
func (c *catalog) reviewAccess(r *review, t *tableFacts, rel *relation) {
	object, role := tableObject(t), quoteName(c.role)
	var missing, grants []string
	if !t.usage {
		missing = append(missing, "USAGE on its schema")
		grants = append(grants, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", quoteName(t.name.Schema), role))
	}
	if !t.readable(rel) {
		missing = append(missing, "SELECT on it")
		grants = append(grants, fmt.Sprintf("GRANT SELECT ON %s TO %s;", quoteTable(t.name), role))
	}
	if len(missing) > 0 {
		r.add(aboutReading, cdc.FindingProblem, "read access to "+object, object,
			fmt.Sprintf("role %s lacks %s", role, strings.Join(missing, " and ")), strings.Join(grants, "\n"))
	} else {
		r.add(aboutReading, cdc.FindingOK, "read access to "+object, object, "granted to role "+role, "")
	}
	if t.rowSecurity {
		r.add(aboutReading, cdc.FindingProblem, "row-level security of "+object, object,
			fmt.Sprintf("row-level security would hide rows from role %s that the stream has", role),
			fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", role))
	}
}

// readable reports whether the role may read all columns of rel, or all of t.
func (t *tableFacts) readable(rel *relation) bool {
	if t.selectable || rel == nil {
		return t.selectable
	}
	return !slices.ContainsFunc(rel.columns, func(c relationColumn) bool { return !t.column(c.name).selectable })
}

// relationOf returns the relation of t with the key.
func (c *catalog) relationOf(t *tableFacts, key []string) *relation {
	rel := &relation{
		oid: t.oid, name: t.name, key: key, identity: t.identity,
		only: t.kind == kindTable,
	}
	for _, col := range t.columns {
		if slices.Contains(key, col.name) || slices.Contains(c.wanted[t.name], col.name) {
			rel.columns = append(rel.columns, col.relationColumn)
		}
	}
	if t.kind == kindPartitioned {
		rel.identity = identityDefault
		if c.publication != nil && !c.publication.viaRoot {
			rel.partitions = []uint32{}
			for _, leaf := range t.leaves {
				rel.partitions = append(rel.partitions, leaf.oid)
			}
		}
	}
	if t.published != nil {
		rel.filter = t.published.filter
	}
	return rel
}
