package stockstore

import (
	"context"

	"github.com/jackc/pgx/v5/pgtype"

	"tailstock/connector/inventory"
)

// contributionArrays holds the columns of rows to write, an array each.
type contributionArrays struct {
	feeds                   []int32
	keys, legs              []string
	skus, locations         []string
	quantities              [inventory.Kinds][]int64
	runs, numbers, commitAt []int64
	transactions            []string
}

func newContributionArrays(writes []contributionWrite, causes []cause) *contributionArrays {
	n := len(writes)
	numbers := make([]int64, n*(inventory.Kinds+3))
	texts := make([]string, n*5)
	cutNumbers := func() (column []int64) { column, numbers = numbers[:n:n], numbers[n:]; return column }
	cutTexts := func() (column []string) { column, texts = texts[:n:n], texts[n:]; return column }
	a := &contributionArrays{
		feeds: make([]int32, n), keys: cutTexts(), legs: cutTexts(), skus: cutTexts(), locations: cutTexts(),
		runs: cutNumbers(), numbers: cutNumbers(), commitAt: cutNumbers(), transactions: cutTexts(),
	}
	for k := range a.quantities {
		a.quantities[k] = cutNumbers()
	}
	for i := range writes {
		w, c := &writes[i], &causes[writes[i].cause]
		a.feeds[i], a.keys[i], a.legs[i] = w.feed, string(w.row), w.Leg
		a.skus[i], a.locations[i] = string(w.SKU), string(w.Location)
		for k, q := range w.Quantities {
			a.quantities[k][i] = int64(q)
		}
		a.runs[i], a.numbers[i] = int64(c.position.Run), int64(c.position.Number) //nolint:gosec // 15 and 12 digits
		a.commitAt[i], a.transactions[i] = c.commit.CommittedAt.UnixMicro(), c.commit.Transaction
	}
	return a
}

func tidsOf(writes []contributionWrite) []pgtype.TID {
	tids := make([]pgtype.TID, len(writes))
	for i := range writes {
		tids[i] = tidOf(writes[i].place)
	}
	return tids
}

// changeContributions writes rows where contributions found them: nothing but
// the holder of the source's lock moves them, and a count proves it.
func (t *postgresTx) changeContributions(ctx context.Context, c *contributionChanges, causes []cause) error {
	if len(c.deletes) > 0 {
		t.queueExactly(len(c.deletes), `delete from contribution c using unnest($1::tid[]) u(place) where c.ctid = u.place`,
			tidsOf(c.deletes))
	}
	if len(c.updates) > 0 {
		a := newContributionArrays(c.updates, causes)
		t.queueExactly(len(c.updates), `update contribution c set
				on_hand = u.on_hand, committed = u.committed, unavailable = u.unavailable,
				safety_stock = u.safety_stock, incoming = u.incoming,
				run = u.run, number = u.number, committed_at = u.committed_at, transaction_id = u.transaction_id
			from unnest($1::tid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
				$7::bigint[], $8::bigint[], $9::bigint[], $10::text[])
				u(place, on_hand, committed, unavailable, safety_stock, incoming,
				run, number, committed_at, transaction_id)
			where c.ctid = u.place`,
			tidsOf(c.updates), a.quantities[0], a.quantities[1], a.quantities[2], a.quantities[3], a.quantities[4],
			a.runs, a.numbers, a.commitAt, a.transactions)
	}
	if len(c.moves) > 0 {
		a := newContributionArrays(c.moves, causes)
		t.queueExactly(len(c.moves), `update contribution c set sku = u.sku, location = u.location,
				on_hand = u.on_hand, committed = u.committed, unavailable = u.unavailable,
				safety_stock = u.safety_stock, incoming = u.incoming,
				run = u.run, number = u.number, committed_at = u.committed_at, transaction_id = u.transaction_id
			from unnest($1::tid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
				$9::bigint[], $10::bigint[], $11::bigint[], $12::text[])
				u(place, sku, location, on_hand, committed, unavailable, safety_stock, incoming,
				run, number, committed_at, transaction_id)
			where c.ctid = u.place`,
			tidsOf(c.moves), a.skus, a.locations,
			a.quantities[0], a.quantities[1], a.quantities[2], a.quantities[3], a.quantities[4],
			a.runs, a.numbers, a.commitAt, a.transactions)
	}
	if err := t.changeTimed(ctx, c, causes); err != nil {
		return err
	}
	return t.insertContributions(ctx, c.inserts, causes)
}

// insertContributions inserts contributions that always count, none of which the table has.
func (t *postgresTx) insertContributions(ctx context.Context, inserts []contributionWrite, causes []cause) error {
	if len(inserts) >= copyLeast {
		return t.copyContributions(ctx, inserts, causes)
	}
	if len(inserts) > 0 {
		a := newContributionArrays(inserts, causes)
		t.queue(`insert into contribution (feed, row_key, leg, sku, location,
				on_hand, committed, unavailable, safety_stock, incoming, run, number, committed_at, transaction_id)
			select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[],
				$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
				$11::bigint[], $12::bigint[], $13::bigint[], $14::text[])`,
			a.feeds, a.keys, a.legs, a.skus, a.locations,
			a.quantities[0], a.quantities[1], a.quantities[2], a.quantities[3], a.quantities[4],
			a.runs, a.numbers, a.commitAt, a.transactions)
	}
	return nil
}

func (t *postgresTx) addToCells(_ context.Context, deltas []cellDelta, causes []cause, now int64) error {
	n := len(deltas)
	skus, locations, transactions := make([]string, n), make([]string, n), make([]string, n)
	feeds, contributions, commitAt := make([]int32, n), make([]int64, n), make([]int64, n)
	var quantities [inventory.Kinds][]int64
	for k := range quantities {
		quantities[k] = make([]int64, n)
	}
	for i := range deltas {
		d := &deltas[i]
		skus[i], locations[i], feeds[i] = string(d.SKU), string(d.Location), d.feed
		contributions[i] = d.contributions
		for k, q := range d.quantities {
			quantities[k][i] = int64(q)
		}
		commit := causes[d.cause].commit
		commitAt[i], transactions[i] = commit.CommittedAt.UnixMicro(), commit.Transaction
	}
	t.queue(`insert into cell as c (sku, location, feed, contributions,
			on_hand, committed, unavailable, safety_stock, incoming, committed_at, transaction_id, updated_at)
		select *, $12::bigint from unnest($1::text[], $2::text[], $3::integer[], $4::bigint[],
			$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[])
		on conflict (sku, location, feed) do update set contributions = c.contributions + excluded.contributions,
			on_hand = c.on_hand + excluded.on_hand, committed = c.committed + excluded.committed,
			unavailable = c.unavailable + excluded.unavailable, safety_stock = c.safety_stock + excluded.safety_stock,
			incoming = c.incoming + excluded.incoming, updated_at = excluded.updated_at,
			committed_at = excluded.committed_at, transaction_id = excluded.transaction_id`,
		skus, locations, feeds, contributions,
		quantities[0], quantities[1], quantities[2], quantities[3], quantities[4], commitAt, transactions, now)
	return nil
}

func (t *postgresTx) markProblems(_ context.Context, rows []rowChange, causes []cause) error {
	n := len(rows)
	feeds, keys := refArrays(rows)
	kinds, rules, reasons, transactions := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	runs, numbers, commitAt := make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range rows {
		p, c := rows[i].problem.Problem, &causes[rows[i].problemCause]
		kinds[i], rules[i], reasons[i] = string(p.Kind), p.Rule, p.Reason
		runs[i], numbers[i] = int64(c.position.Run), int64(c.position.Number) //nolint:gosec // 15 and 12 digits
		commitAt[i], transactions[i] = c.commit.CommittedAt.UnixMicro(), c.commit.Transaction
	}
	t.queue(`insert into problem (feed, row_key, kind, rule, reason, run, number, committed_at, transaction_id)
		select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[],
			$6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
		on conflict (feed, row_key) do update set kind = excluded.kind, rule = excluded.rule, reason = excluded.reason,
			run = excluded.run, number = excluded.number,
			committed_at = excluded.committed_at, transaction_id = excluded.transaction_id`,
		feeds, keys, kinds, rules, reasons, runs, numbers, commitAt, transactions)
	return nil
}
