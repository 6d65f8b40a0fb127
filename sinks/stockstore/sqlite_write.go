package stockstore

import (
	"context"

	"tailstock/connector/inventory"
)

// sqliteTx writes row by row: without a network a prepared statement is as fast
// as SQLite gets. A statement that can be cut short costs a goroutine, so
// methods that take a slice of rows are cut short before it, not within.
type sqliteTx struct{ *sqliteConn }

// uncut returns a context for a slice of rows, unless ctx has ended.
func uncut(ctx context.Context) (context.Context, error) {
	return context.WithoutCancel(ctx), ctx.Err()
}

func (t *sqliteTx) flush(context.Context) error { return nil }

func (t *sqliteTx) movePosition(ctx context.Context, source, logID string, p inventory.Position, worker string) error {
	_, err := t.exec(ctx, moveSource, source, logID, int64(p.Run), int64(p.Number), worker) //nolint:gosec // 15 and 12 digits
	return err
}

// lockSource reads nothing ahead: there are no round trips.
func (t *sqliteTx) lockSource(ctx context.Context, source string, _ *readAhead) (lockedSource, error) {
	var l lockedSource
	_, err := t.exec(ctx, `insert into source_state (source, log_id, run, number, worker)
		values ($1, '', 0, 0, '') on conflict do nothing`, source)
	if err != nil {
		return l, err
	}
	err = t.query(ctx, func(scan scanFunc) error {
		return scan(&l.schema, &l.logID, &l.position.Run, &l.position.Number)
	}, `select m.schema, s.log_id, s.run, s.number from source_state s, store_meta m where s.source = $1`, source)
	if err != nil {
		return l, err
	}
	l.feeds, err = readFeeds(ctx, t, source)
	return l, err
}

func (t *sqliteTx) readAhead(ctx context.Context, ahead *readAhead) error {
	ahead.asked = true
	return t.contributions(ctx, ahead.rows, ahead.take)
}

func (t *sqliteTx) settle(context.Context) error { return nil }

func (t *sqliteTx) contributions(ctx context.Context, rows []rowChange, each func(int, *storedLeg) error) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	if len(rows) >= manyRows && ofOneFeed(rows) {
		return t.manyContributions(ctx, rows, each)
	}
	for i := range rows {
		var s storedLeg
		err := t.query(ctx, func(scan scanFunc) error {
			q := &s.Quantities
			err := scan(&s.Leg, (*string)(&s.SKU), (*string)(&s.Location),
				(*int64)(&q[0]), (*int64)(&q[1]), (*int64)(&q[2]), (*int64)(&q[3]), (*int64)(&q[4]),
				(*momentColumn)(&s.Valid.From), (*momentColumn)(&s.Valid.Until), (*momentColumn)(&s.due))
			if err != nil {
				return err
			}
			return each(i, &s)
		}, `select leg, sku, location, on_hand, committed, unavailable, safety_stock, incoming, valid_from, valid_until, due
			from contribution where feed = $1 and row_key = $2`, rows[i].feed, string(rows[i].row))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTx) changeContributions(ctx context.Context, c *contributionChanges, causes []cause) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	for i := range c.deletes {
		w := &c.deletes[i]
		_, err := t.exec(ctx, `delete from contribution where feed = $1 and row_key = $2 and leg = $3`, w.feed, string(w.row), w.Leg)
		if err != nil {
			return err
		}
	}
	// An index is rewritten for every column that a statement sets, changed or not.
	for i := range c.updates {
		w, cause := &c.updates[i], &causes[c.updates[i].cause]
		q := &w.Quantities
		_, err := t.exec(ctx, `update contribution set
				on_hand = $4, committed = $5, unavailable = $6, safety_stock = $7, incoming = $8,
				run = $9, number = $10, committed_at = $11, transaction_id = $12
			where feed = $1 and row_key = $2 and leg = $3`, w.feed, string(w.row), w.Leg,
			int64(q[0]), int64(q[1]), int64(q[2]), int64(q[3]), int64(q[4]),
			int64(cause.position.Run), int64(cause.position.Number), //nolint:gosec // 15 and 12 digits
			cause.commit.CommittedAt.UnixMicro(), cause.commit.Transaction)
		if err != nil {
			return err
		}
	}
	if err := t.writeContributions(ctx, moveContribution, c.moves, causes); err != nil {
		return err
	}
	if err := t.changeTimed(ctx, c, causes); err != nil {
		return err
	}
	return t.writeContributions(ctx, insertContribution, c.inserts, causes)
}

// Statements of writeContributions.
const (
	moveContribution = `update contribution set sku = $4, location = $5,
			on_hand = $6, committed = $7, unavailable = $8, safety_stock = $9, incoming = $10,
			run = $11, number = $12, committed_at = $13, transaction_id = $14
		where feed = $1 and row_key = $2 and leg = $3`
	insertContribution = `insert into contribution (feed, row_key, leg, sku, location,
			on_hand, committed, unavailable, safety_stock, incoming, run, number, committed_at, transaction_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
)

func (t *sqliteTx) writeContributions(ctx context.Context, sql string, writes []contributionWrite, causes []cause) error {
	for i := range writes {
		w, c := &writes[i], &causes[writes[i].cause]
		q := &w.Quantities
		_, err := t.exec(ctx, sql, w.feed, string(w.row), w.Leg, string(w.SKU), string(w.Location),
			int64(q[0]), int64(q[1]), int64(q[2]), int64(q[3]), int64(q[4]),
			int64(c.position.Run), int64(c.position.Number), //nolint:gosec // 15 and 12 digits
			c.commit.CommittedAt.UnixMicro(), c.commit.Transaction)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTx) addToCells(ctx context.Context, deltas []cellDelta, causes []cause, now int64) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	for i := range deltas {
		d := &deltas[i]
		q, commit := &d.quantities, causes[d.cause].commit
		_, err := t.exec(ctx, `insert into cell as c (sku, location, feed, contributions,
				on_hand, committed, unavailable, safety_stock, incoming, updated_at, committed_at, transaction_id)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			on conflict (sku, location, feed) do update set contributions = c.contributions + excluded.contributions,
				on_hand = c.on_hand + excluded.on_hand, committed = c.committed + excluded.committed,
				unavailable = c.unavailable + excluded.unavailable, safety_stock = c.safety_stock + excluded.safety_stock,
				incoming = c.incoming + excluded.incoming, updated_at = excluded.updated_at,
				committed_at = excluded.committed_at, transaction_id = excluded.transaction_id`,
			string(d.SKU), string(d.Location), d.feed, d.contributions,
			int64(q[0]), int64(q[1]), int64(q[2]), int64(q[3]), int64(q[4]),
			now, commit.CommittedAt.UnixMicro(), commit.Transaction)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTx) markProblems(ctx context.Context, rows []rowChange, causes []cause) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		p, c := rows[i].problem.Problem, &causes[rows[i].problemCause]
		_, err := t.exec(ctx, `insert into problem (feed, row_key, kind, rule, reason, run, number, committed_at, transaction_id)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			on conflict (feed, row_key) do update set kind = excluded.kind, rule = excluded.rule, reason = excluded.reason,
				run = excluded.run, number = excluded.number,
				committed_at = excluded.committed_at, transaction_id = excluded.transaction_id`,
			rows[i].feed, string(rows[i].row), string(p.Kind), p.Rule, p.Reason,
			int64(c.position.Run), int64(c.position.Number), //nolint:gosec // 15 and 12 digits
			c.commit.CommittedAt.UnixMicro(), c.commit.Transaction)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTx) clearProblems(ctx context.Context, rows []rowChange) error {
	ctx, err := uncut(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		_, err := t.exec(ctx, `delete from problem where feed = $1 and row_key = $2`, rows[i].feed, string(rows[i].row))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTx) listCells(ctx context.Context, cells []inventory.Cell, made func(int64)) error {
	text, err := encodeCells(cells)
	if err != nil {
		return err
	}
	return t.query(ctx, func(scan scanFunc) error {
		var id int64
		if err := scan(&id); err != nil {
			return err
		}
		made(id)
		return nil
	}, `insert into outbox (size, cells) values ($1, $2) returning id`, len(cells), text)
}

func (t *sqliteTx) deleteOutbox(ctx context.Context, ids []int64) error {
	for _, id := range ids {
		if _, err := t.exec(ctx, `delete from outbox where id = $1`, id); err != nil {
			return err
		}
	}
	return nil
}

// addNewCells makes cells as addToCells does, whose statement costs no more.
func (t *sqliteTx) addNewCells(ctx context.Context, deltas []cellDelta, causes []cause, now int64) error {
	return t.addToCells(ctx, deltas, causes, now)
}
