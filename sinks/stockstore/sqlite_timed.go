package stockstore

import "context"

// changeTimed writes contributions that have a validity, or had one.
func (t *sqliteTx) changeTimed(ctx context.Context, c *contributionChanges, causes []cause) error {
	if len(c.timedMoves)+len(c.timedInserts) == 0 {
		return nil
	}
	if err := t.writeContributions(ctx, moveContribution, c.timedMoves, causes); err != nil {
		return err
	}
	if err := t.writeContributions(ctx, insertContribution, c.timedInserts, causes); err != nil {
		return err
	}
	for _, list := range [...][]contributionWrite{c.timedMoves, c.timedInserts} {
		for i := range list {
			w := &list[i]
			_, err := t.exec(ctx, `update contribution set valid_from = $4, valid_until = $5, due = $6
				where feed = $1 and row_key = $2 and leg = $3`,
				w.feed, string(w.row), w.Leg, momentValue(w.Valid.From), momentValue(w.Valid.Until), momentValue(w.due))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *sqliteTx) setDue(ctx context.Context, writes []contributionWrite) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	for i := range writes {
		w := &writes[i]
		_, err := t.exec(ctx, `update contribution set due = $4 where feed = $1 and row_key = $2 and leg = $3`,
			w.feed, string(w.row), w.Leg, momentValue(w.due))
		if err != nil {
			return err
		}
	}
	return nil
}
