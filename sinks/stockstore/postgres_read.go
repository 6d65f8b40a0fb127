package stockstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/inventory"
)

// postgresReader reads outside of a transaction: every statement sees a state of its own.
type postgresReader struct{ conn *pgx.Conn }

func (r *postgresReader) query(ctx context.Context, each func(scanFunc) error, sql string, args ...any) error {
	rows, err := r.conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	return eachRow(each)(rows)
}

// outboxPageRows bounds how many outbox rows one page looks at.
const outboxPageRows = 1_000

// withOutboxRows names the oldest outbox rows that list cells, except those of $1,
// until $2 cells are listed, page, and the cells that they list, listed.
const withOutboxRows = `with page as (
	select id, skus, locations from (
		select id, skus, locations, sum(size) over (order by id) - size as before
		from outbox where walk is null and id <> all($1::bigint[])
		order by id limit $3
	) oldest where before < $2
), listed as (
	select distinct u.sku, u.location from page, unnest(page.skus, page.locations) u(sku, location)
)
`

// selectOutboxRows reads the outbox rows of $1 in the form of selectOutboxPage.
const selectOutboxRows = `with page as (
	select id, skus, locations from outbox where walk is null and id = any($1::bigint[])
), listed as (
	select distinct u.sku, u.location from page, unnest(page.skus, page.locations) u(sku, location)
)
select session, (select array_agg(id) from page), ` + selectLevelRows

// selectOutboxPage reads outbox rows and what their cells hold. The first row of
// the result has the session and the ids, the others the cells.
const selectOutboxPage = withOutboxRows + `select session, (select array_agg(id) from page), ` + selectLevelRows

// selectOutboxList is the same without what the cells hold.
const selectOutboxList = withOutboxRows + `select session, (select array_agg(id) from page), '', '' from store_meta
union all
(select null, null, sku, location from listed order by sku, location)`

// selectListedCells reads what given cells hold, in the form of selectOutboxPage.
const selectListedCells = `with listed as (
	select * from unnest($1::text[], $2::text[]) u(sku, location)
)
select session, null::bigint[], ` + selectLevelRows

// selectLevelRows completes a row of session and ids with whether there is a
// walk, and adds what the cells of listed hold.
const selectLevelRows = `'', '', 0, '', exists (select from outbox where walk is not null), 0::bigint,
	0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, ''
from store_meta
union all
(select null, null, l.sku, l.location, coalesce(c.feed, 0), coalesce(f.source, ''),
	coalesce(f.state in ('active', 'stale'), false), coalesce(c.contributions, 0),
	coalesce(c.on_hand, 0), coalesce(c.committed, 0), coalesce(c.unavailable, 0), coalesce(c.safety_stock, 0),
	coalesce(c.incoming, 0), coalesce(c.updated_at, 0), coalesce(c.committed_at, 0), coalesce(c.transaction_id, '')
from listed l
left join cell c on c.sku = l.sku and c.location = l.location
left join feed f on f.id = c.feed
order by l.sku, l.location)`

func (r *postgresReader) outboxPage(ctx context.Context, taken []int64, limit int, page *outboxPage) error {
	return r.levelRows(ctx, page, selectOutboxPage, notNull(taken), limit, outboxPageRows)
}

func (r *postgresReader) outboxRows(ctx context.Context, ids []int64, page *outboxPage) error {
	return r.levelRows(ctx, page, selectOutboxRows, ids)
}

func (r *postgresReader) listedCells(ctx context.Context, cells []inventory.Cell, page *outboxPage) error {
	skus, locations := cellArrays(cells)
	return r.levelRows(ctx, page, selectListedCells, skus, locations)
}

func (r *postgresReader) outboxList(ctx context.Context, taken []int64, limit int, list *outboxList) error {
	return r.query(ctx, func(scan scanFunc) error {
		var session *uint64
		var ids []int64
		var cell inventory.Cell
		err := scan(&session, &ids, (*string)(&cell.SKU), (*string)(&cell.Location))
		if session != nil {
			list.session, list.ids = *session, ids
		} else {
			list.cells = append(list.cells, cell)
		}
		return err
	}, selectOutboxList, notNull(taken), limit, outboxPageRows)
}

// notNull returns ids for a comparison that NULL would never pass.
func notNull(ids []int64) []int64 {
	if ids == nil {
		return []int64{}
	}
	return ids
}

// levelRows reads a session, ids and what cells hold into page.
func (r *postgresReader) levelRows(ctx context.Context, page *outboxPage, sql string, args ...any) error {
	return r.query(ctx, func(scan scanFunc) error {
		var session *uint64
		var ids []int64
		var row levelRow
		err := row.scan(func(targets ...any) error {
			return scan(append([]any{&session, &ids}, targets...)...)
		})
		if session != nil {
			page.session, page.ids, page.walk = *session, ids, row.counted
		} else {
			page.cells = append(page.cells, row)
		}
		return err
	}, sql, args...)
}
