package mysql

import (
	"context"
	"fmt"

	"tailstock/connector/cdc"
)

// CheckIndex finds whether rows of a table are found by a column through an index:
// by the first column of one that the server's optimizer does not ignore. Without
// one, whoever looks for rows by the column reads all of the table. It takes two
// minutes at most.
func (s *Source) CheckIndex(ctx context.Context, table cdc.TableName, column string) (cdc.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	f := cdc.Finding{
		Requirement: fmt.Sprintf("index on column %s of table %s", quoteName(column), table),
		State:       cdc.FindingOK, Detail: "there is one",
	}
	err := s.reads.use(ctx, s.cfg, func(session *readSession) error {
		plan, err := s.newPlan(ctx, session, cdc.Wanted{table: {column}}, aboutReading)
		if err != nil {
			return err
		}
		c := keyColumn{column: plan.columns[plan.table.Column(column)]}
		switch {
		case plan.leading[column] == "":
			f.State = cdc.FindingWarning
			f.Detail = "there is none: whenever a row changes that this column refers to, all of the table is read"
			f.Fix = fmt.Sprintf("CREATE INDEX %s ON %s (%s%s);", quoteName(column), quoteTable(plan.stored), quoteName(column), c.indexedPart())
		case !c.findable():
			f.State = cdc.FindingWarning
			f.Detail = fmt.Sprintf("there is one, and it is of no use for %s: whenever a row changes that this column refers to, all of the table is read", c.sourceType)
		}
		return nil
	})
	if err != nil {
		return cdc.Finding{}, fmt.Errorf("look for an index on table %s: %w", table, err)
	}
	return f, nil
}

// indexedPart is how much of the column an index can have, empty for all of it.
func (c *column) indexedPart() string {
	if c.field == fieldBlob && (c.kind == kindText || c.kind == kindBytes) {
		return "(100)"
	}
	return ""
}
