package mysql

import (
	"context"
	"fmt"

	"tailstock/connector/cdc"
)

// Complete fills the Unchanged values of rows from the source, by key, and sets
// After to nil where the row is gone. Each row is read as of a moment at which
// transaction t is visible; values that are not Unchanged stay as they are. If
// columns were removed since, it fails with *cdc.SetupError.
func (s *Source) Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error {
	if len(rows) == 0 {
		return nil
	}
	return fmt.Errorf("complete rows of transaction %s: not written yet", t.ID)
}
