package postgres

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// reviewPublication judges the publication itself. Whatever it proposes to
// publish has a replica identity: PostgreSQL lets every UPDATE and DELETE of a
// published table without one fail, in the application that makes it.
func (c *catalog) reviewPublication(r *review) {
	object := fmt.Sprintf("publication %q", c.publicationName)
	if c.publication == nil {
		r.add(aboutEverything, cdc.FindingProblem, object, object, "does not exist", c.createPublication(c.publicationName))
		return
	}
	p := c.publication
	var missing []string
	for _, op := range []struct {
		name      string
		published bool
	}{{"insert", p.insert}, {"update", p.update}, {"delete", p.delete}, {"truncate", p.truncate}} {
		if !op.published {
			missing = append(missing, op.name)
		}
	}
	switch {
	case len(missing) == 0:
		r.add(aboutEverything, cdc.FindingOK, object, object, "exists and publishes insert, update, delete and truncate", "")
	case len(p.keyless) > 0:
		r.add(aboutEverything, cdc.FindingProblem, object, object, fmt.Sprintf("does not publish %s, and must not begin to: "+
			"it has tables without a replica identity, whose UPDATE and DELETE would then fail (%s)",
			strings.Join(missing, ", "), strings.Join(p.keyless, ", ")),
			c.createPublication(c.publicationName+"_stock")+"\nthen name this publication in the configuration")
	default:
		r.add(aboutEverything, cdc.FindingProblem, object, object, "does not publish "+strings.Join(missing, ", "),
			fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate');", quoteName(c.publicationName)))
	}
}

// createPublication returns the SQL that makes a publication for exactly those
// wanted tables that can be published without harm.
func (c *catalog) createPublication(name string) string {
	var tables []string
	options := ""
	for _, t := range c.tables {
		if !t.publishable() {
			continue
		}
		tables = append(tables, t.publicationEntry())
		if t.kind == kindPartitioned {
			options = " WITH (publish_via_partition_root = true)"
		}
	}
	if len(tables) == 0 {
		return "create it once the tables are there and have keys"
	}
	return fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s%s;", quoteName(name), strings.Join(tables, ", "), options)
}

// publishable reports whether t can be published, and without harm.
func (t *tableFacts) publishable() bool {
	return (t.kind == kindTable || t.kind == kindPartitioned) && t.persistence == 'p' && t.oid >= firstUserOID && t.keyed()
}

// publicationEntry names t as a publication should have it: without its
// inheritance children, which may have no replica identity.
func (t *tableFacts) publicationEntry() string {
	if t.inherited {
		return "ONLY " + quoteTable(t.name)
	}
	return quoteTable(t.name)
}

// reviewMembership reports whether the publication has t.
func (c *catalog) reviewMembership(r *review, t *tableFacts) bool {
	if c.publication == nil {
		return false
	}
	object, name := tableObject(t), quoteName(c.publicationName)
	requirement := "publication of " + object
	problem := func(detail, fix string) bool {
		r.add(aboutEverything, cdc.FindingProblem, requirement, object, detail, fix)
		return false
	}
	add := func() string {
		if !t.publishable() {
			return "give it a key first: without one its UPDATE and DELETE would fail as soon as it is published"
		}
		return fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s;", name, t.publicationEntry())
	}
	byLeaf := t.kind == kindPartitioned && !c.publication.viaRoot
	switch {
	case t.published == nil && t.publishedAs != "" && c.publication.viaRoot:
		return problem(fmt.Sprintf("publication %s has its rows under the name of the partitioned table %s", name, t.publishedAs),
			"name that table in the configuration, in its place")
	case byLeaf && len(t.leaves) == 0:
		return problem(fmt.Sprintf("has no partition yet, and publication %s has partitions under their own names, "+
			"so that nothing tells whether it has this table", name),
			fmt.Sprintf("ALTER PUBLICATION %s SET (publish_via_partition_root = true);", name))
	case byLeaf:
		for _, leaf := range t.leaves {
			if leaf.published == nil {
				return problem(fmt.Sprintf("publication %s does not have its partition %s", name, leaf.name), add())
			}
		}
	case t.published == nil:
		return problem(fmt.Sprintf("is not in publication %s", name), add())
	}
	return true
}

// reviewPublishedColumns judges whether the publication brings all columns of rel.
func (c *catalog) reviewPublishedColumns(r *review, t *tableFacts, rel *relation) {
	object, name := tableObject(t), quoteName(c.publicationName)
	requirement := "publication of " + object
	missing := c.unpublishedColumns(t, rel)
	var generated, virtual []string
	for _, column := range missing {
		switch t.column(column).generated {
		case 's':
			generated = append(generated, column)
		case 'v':
			virtual = append(virtual, column)
		}
	}
	problem := func(fix, format string, args ...any) {
		r.add(aboutEverything, cdc.FindingProblem, requirement, object, fmt.Sprintf(format, args...), fix)
	}
	const instead = "name the columns that it is computed from in the configuration, in its place"
	switch {
	case len(virtual) > 0:
		problem(instead, "generated column %s is virtual, and virtual columns are not streamed", quoteNames(virtual))
	case len(generated) > 0 && c.version < version18:
		problem(instead, "generated column %s is not streamed: PostgreSQL before 18 cannot", quoteNames(generated))
	case len(generated) > 0 && len(generated) == len(missing):
		problem(fmt.Sprintf("ALTER PUBLICATION %s SET (publish_generated_columns = stored);", name),
			"publication %s leaves out generated column %s", name, quoteNames(generated))
	case len(missing) > 0:
		problem(c.widenColumnList(t, missing), "publication %s leaves out column %s", name, quoteNames(missing))
	case c.filteredLeaf(t) != nil:
		leaf := c.filteredLeaf(t)
		problem(fmt.Sprintf("BEGIN;\nALTER PUBLICATION %[1]s DROP TABLE %[2]s;\nALTER PUBLICATION %[1]s ADD TABLE %[2]s;\nCOMMIT;", name, quoteTable(leaf.name)),
			"publication %s has a row filter on its partition %s alone", name, leaf.name)
	case rel.filter != "":
		r.add(aboutEverything, cdc.FindingOK, requirement, object, fmt.Sprintf("in publication %s, rows where %s", name, rel.filter), "")
	default:
		r.add(aboutEverything, cdc.FindingOK, requirement, object, "in publication "+name, "")
	}
}

// unpublishedColumns returns the columns of rel that the stream will not have.
func (c *catalog) unpublishedColumns(t *tableFacts, rel *relation) []string {
	lists := []*publishedFacts{t.published}
	if rel.partitions != nil {
		lists = nil
		for _, leaf := range t.leaves {
			lists = append(lists, leaf.published)
		}
	}
	var missing []string
	for _, column := range rel.columns {
		// Whether the server lists generated columns that it does not stream differs by version.
		unpublished := t.column(column.name).generated != 0 && c.version < version18
		for _, p := range lists {
			unpublished = unpublished || (p.columns != nil && !slices.Contains(p.columns, column.name))
		}
		if unpublished {
			missing = append(missing, column.name)
		}
	}
	return missing
}

// filteredLeaf returns a partition of t that is published under its own name
// with a row filter of its own, or nil.
func (c *catalog) filteredLeaf(t *tableFacts) *tableFacts {
	if c.publication.viaRoot {
		return nil
	}
	i := slices.IndexFunc(t.leaves, func(leaf *tableFacts) bool { return leaf.published.filter != "" })
	if i < 0 {
		return nil
	}
	return t.leaves[i]
}

// widenColumnList returns the SQL that adds columns to the lists with which the
// publication has t or its partitions, keeping the row filters.
func (c *catalog) widenColumnList(t *tableFacts, columns []string) string {
	entries := []*tableFacts{t}
	if t.published == nil {
		entries = t.leaves
	}
	name := quoteName(c.publicationName)
	sql := "BEGIN;\n"
	for _, entry := range entries {
		if entry.published.columns == nil {
			continue
		}
		var list []string
		for _, col := range t.columns {
			if slices.Contains(entry.published.columns, col.name) || slices.Contains(columns, col.name) {
				list = append(list, col.name)
			}
		}
		if len(list) == len(entry.published.columns) {
			continue
		}
		filter := ""
		if entry.published.filter != "" {
			filter = " WHERE (" + entry.published.filter + ")"
		}
		sql += fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE %s;\nALTER PUBLICATION %s ADD TABLE %s (%s)%s;\n",
			name, quoteTable(entry.name), name, entry.publicationEntry(), quoteNames(list), filter)
	}
	return sql + "COMMIT;"
}
