package mysql

import (
	"context"
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// CheckIndex finds whether rows of a table are found by some columns through an
// index: by one that begins with all of them, in any order, and that the server's
// optimizer does not ignore. Without one, whoever looks for rows by the columns reads
// all of the table, or all that one of the columns leaves. It takes two minutes at most.
func (s *Source) CheckIndex(ctx context.Context, table cdc.TableName, columns []string) (cdc.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	var f cdc.Finding
	err := s.reads.use(ctx, s.cfg, func(session *readSession) error {
		plan, err := s.newPlan(ctx, session, cdc.Wanted{table: columns}, aboutReading)
		if err == nil {
			f = plan.indexFinding(table, columns)
		}
		return err
	})
	if err != nil {
		return cdc.Finding{}, fmt.Errorf("look for an index on table %s: %w", table, err)
	}
	return f, nil
}

// indexFinding says whether rows are found by columns.
func (p *chunkPlan) indexFinding(table cdc.TableName, columns []string) cdc.Finding {
	what, this, quoted := "columns", "these columns refer", quoteNames(columns)
	if len(columns) == 1 {
		what, this = "column", "this column refers"
	}
	f := cdc.Finding{
		Requirement: fmt.Sprintf("index on %s %s of table %s", what, quoted, table),
		State:       cdc.FindingOK, Detail: "there is one",
	}
	_, n := p.indexOn(columns)
	var parts []string
	unfindable := ""
	for _, name := range columns {
		c := p.keyColumnAt(p.table.Column(name))
		if parts = append(parts, quoteName(name)+c.indexedPart()); !c.findable() {
			unfindable = c.sourceType
		}
	}
	fix := fmt.Sprintf("CREATE INDEX %s ON %s (%s);", quoteName(strings.Join(columns, "_")), quoteTable(p.stored), strings.Join(parts, ", "))
	switch {
	case n == 0:
		f.State, f.Fix = cdc.FindingWarning, fix
		f.Detail = "there is none: whenever a row changes that " + this + " to, all of the table is read"
	case n < len(columns):
		f.State, f.Fix = cdc.FindingWarning, fix
		f.Detail = "there is one on a part of them alone: whenever a row changes that " + this + " to, all rows are read that have that part"
	case unfindable != "":
		f.State = cdc.FindingWarning
		f.Detail = fmt.Sprintf("there is one, and it is of no use for %s: whenever a row changes that %s to, all of the table is read", unfindable, this)
	}
	return f
}

// indexedPart is how much of the column an index can have, empty for all of it.
func (c *column) indexedPart() string {
	if c.field == fieldBlob && (c.kind == kindText || c.kind == kindBytes) {
		return "(100)"
	}
	return ""
}
