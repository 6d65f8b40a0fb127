package sourcetest

import (
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// commit is one commit of the source, put together from its parts.
type commit struct {
	parts   []*cdc.Transaction
	changes []cdc.Change
}

// commits puts the parts of each commit together. Progress, and a commit whose
// last part is missing at the end, are left out.
func commits(emitted []*cdc.Transaction) []commit {
	var all []commit
	var open commit
	for _, t := range emitted {
		if t.Progress() {
			continue
		}
		if t.Part == 0 {
			open = commit{}
		}
		open.parts = append(open.parts, t)
		open.changes = append(open.changes, t.Changes...)
		if t.Last {
			all = append(all, open)
			open = commit{}
		}
	}
	return all
}

// token is where to go on after the commit.
func (c *commit) token() cdc.Resume { return c.parts[len(c.parts)-1].Resume }

// mark returns the row of the table mark that the commit inserted, or 0.
func (c *commit) mark() int {
	if len(c.changes) != 1 || c.changes[0].Table.Name.Name != "mark" {
		return 0
	}
	n, _ := strconv.Atoi(c.changes[0].After[0].Text())
	return n
}

// render returns a line for each commit: its changes, in order.
func render(all []commit) []string {
	lines := []string{}
	for _, c := range all {
		changes := make([]string, len(c.changes))
		for i := range c.changes {
			changes[i] = renderChange(&c.changes[i])
		}
		lines = append(lines, strings.Join(changes, "; "))
	}
	return lines
}

// renderChange shows a change as "update stock [1] to id=2 qty=2": the key of
// the row before it if it is not that of the row after it, and the row after it.
func renderChange(c *cdc.Change) string {
	s := c.Op.String() + " " + c.Table.Name.Name
	before, after := keyOf(c.Table, c.Before), keyOf(c.Table, c.After)
	if c.Before != nil && before != after {
		s += " " + string(before)
	}
	if c.Before != nil && c.After != nil && before != after {
		s += " to"
	}
	if c.After != nil {
		s += " " + renderRow(c.Table, c.After)
	}
	return s
}

// keyOf returns the key of row, or why it has none.
func keyOf(t *cdc.Table, row cdc.Row) cdc.RowKey {
	if row == nil {
		return ""
	}
	key, err := t.KeyOf(row)
	if err != nil {
		return cdc.RowKey("(" + err.Error() + ")")
	}
	return key
}

// renderRow shows a row as "id=1 qty=2", in the order of its columns.
func renderRow(t *cdc.Table, row cdc.Row) string {
	fields := make([]string, len(row))
	for i, v := range row {
		fields[i] = t.Columns[i].Name + "=" + v.String()
	}
	return strings.Join(fields, " ")
}
