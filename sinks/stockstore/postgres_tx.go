package stockstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"tailstock/connector/inventory"
)

// postgresTx queues what it is told to write and sends it with the next read or
// flush, in one round trip.
type postgresTx struct {
	postgresReader
	batch *pgx.Batch
	sent  pgx.BatchResults // the answers to the last batch, if nobody has read them
}

func (t *postgresTx) queue(sql string, args ...any) *pgx.QueuedQuery {
	if t.batch == nil {
		t.batch = new(pgx.Batch)
	}
	return t.batch.Queue(sql, args...)
}

// errOtherWriter is returned when rows are not where their only writer left them.
var errOtherWriter = errors.New("rows are missing that were there: something else writes to the tables of the store")

// queueExactly queues a statement that must change n rows. The server checks it,
// since the commit may be on its way already: any other number divides by zero.
func (t *postgresTx) queueExactly(n int, sql string, args ...any) {
	t.queue(fmt.Sprintf(`with changed as (%s returning 1) select 1 / (count(*) = $%d)::integer from changed`, sql, len(args)+1),
		append(args, n)...)
}

func (t *postgresTx) flush(ctx context.Context) error {
	if err := t.send(ctx); err != nil {
		return err
	}
	return t.settle(ctx)
}

// send sends what is queued, without waiting for the answers.
func (t *postgresTx) send(ctx context.Context) error {
	if err := t.settle(ctx); err != nil || t.batch == nil {
		return err
	}
	t.sent = t.conn.SendBatch(ctx, t.batch)
	t.batch = nil
	return nil
}

// settle reads the answers to what was sent.
func (t *postgresTx) settle(context.Context) error {
	if t.sent == nil {
		return nil
	}
	err := t.sent.Close()
	t.sent = nil
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.Code == divisionByZero {
		return errOtherWriter
	}
	return err
}

// divisionByZero is the SQLSTATE that queueExactly causes, and nothing else.
const divisionByZero = "22012"

// exec runs a statement at once.
func (t *postgresTx) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	var n int64
	t.queue(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	err := t.flush(ctx)
	return n, err
}

func (t *postgresTx) query(ctx context.Context, each func(scanFunc) error, sql string, args ...any) error {
	t.queue(sql, args...).Query(eachRow(each))
	return t.flush(ctx)
}

// eachRow adapts a row function to a batch.
func eachRow(each func(scanFunc) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		defer rows.Close()
		for rows.Next() {
			if err := each(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

func (t *postgresTx) movePosition(_ context.Context, source, logID string, p inventory.Position, worker string) error {
	t.queue(moveSource, source, logID, int64(p.Run), int64(p.Number), worker) //nolint:gosec // positions have 15 and 12 digits
	return nil
}

func (t *postgresTx) lockSource(ctx context.Context, source string, ahead *readAhead) (lockedSource, error) {
	for {
		l, found, err := t.tryLockSource(ctx, source, ahead)
		if err != nil || found {
			return l, err
		}
		_, err = t.exec(ctx, `insert into source_state (source, log_id, run, number, worker)
			values ($1, '', 0, 0, '') on conflict do nothing`, source)
		if err != nil {
			return lockedSource{}, err
		}
	}
}

// tryLockSource locks in a statement of its own: what the statements after it
// see includes all that the lock's last holder committed.
func (t *postgresTx) tryLockSource(ctx context.Context, source string, ahead *readAhead) (l lockedSource, found bool, err error) {
	t.queue(`select log_id, run, number from source_state where source = $1 for update`, source).
		Query(eachRow(func(scan scanFunc) error {
			found = true
			return scan(&l.logID, &l.position.Run, &l.position.Number)
		}))
	t.queue(`select schema from store_meta`).Query(eachRow(func(scan scanFunc) error { return scan(&l.schema) }))
	t.queue(selectFeeds, source).Query(eachRow(func(scan scanFunc) error {
		f, err := scanFeed(scan)
		l.feeds = append(l.feeds, f)
		return err
	}))
	if ahead != nil {
		ahead.legs = ahead.legs[:0]
		t.queueContributions(ahead.rows, ahead.take)
	}
	err = t.flush(ctx)
	if ahead != nil {
		ahead.asked = err == nil && found
	}
	return l, found, err
}

func (t *postgresTx) contributions(ctx context.Context, rows []rowChange, each func(int, *storedLeg) error) error {
	// In slices, so that the server reads one while another is taken.
	for from := 0; from < len(rows); from += sliceRows {
		t.queueContributions(rows[from:min(from+sliceRows, len(rows))], func(i int, s *storedLeg) error { return each(from+i, s) })
	}
	return t.flush(ctx)
}

func (t *postgresTx) readAhead(ctx context.Context, ahead *readAhead) error {
	ahead.asked = true
	t.queueContributions(ahead.rows, ahead.take)
	return t.send(ctx)
}

func (t *postgresTx) queueContributions(rows []rowChange, each func(int, *storedLeg) error) {
	feeds, keys := refArrays(rows)
	t.queue(`select u.i, c.ctid, c.leg, c.sku, c.location,
			c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming, c.valid_from, c.valid_until, c.due
		from unnest($1::integer[], $2::text[]) with ordinality u(feed, row_key, i)
		join contribution c on c.feed = u.feed and c.row_key = u.row_key`, feeds, keys).
		Query(func(rows pgx.Rows) error {
			for rows.Next() {
				i, leg := decodeLeg(rows.RawValues())
				if err := each(i, &leg); err != nil {
					return err
				}
			}
			return rows.Err()
		})
}

// decodeLeg reads a row of contribution from its columns, which pgx asks for in
// binary form: twice as fast as scanning them one by one.
func decodeLeg(v [][]byte) (int, storedLeg) {
	leg := storedLeg{place: binaryTID(v[1])}
	leg.Leg, leg.SKU, leg.Location = string(v[2]), inventory.SKU(v[3]), inventory.LocationID(v[4])
	for k := range leg.Quantities {
		leg.Quantities[k] = inventory.Quantity(binaryInt64(v[5+k]))
	}
	for i, m := range [...]*inventory.Moment{&leg.Valid.From, &leg.Valid.Until, &leg.due} {
		if b := v[5+inventory.Kinds+i]; b != nil {
			*m = inventory.MomentAt(binaryInt64(b))
		}
	}
	return int(binaryInt64(v[0])) - 1, leg
}

// binaryInt64 reads an int8 in binary form.
func binaryInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) } //nolint:gosec // the bits are those of an int64

// binaryTID reads a tid in binary form: block and offset.
func binaryTID(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint32(b))<<16 | uint64(binary.BigEndian.Uint16(b[4:]))
}

func tidOf(place uint64) pgtype.TID {
	return pgtype.TID{BlockNumber: uint32(place >> 16), OffsetNumber: uint16(place), Valid: true} //nolint:gosec // as packed
}

func refArrays(rows []rowChange) (feeds []int32, keys []string) {
	feeds, keys = make([]int32, len(rows)), make([]string, len(rows))
	for i := range rows {
		feeds[i], keys[i] = rows[i].feed, string(rows[i].row)
	}
	return feeds, keys
}

func (t *postgresTx) listCells(_ context.Context, cells []inventory.Cell, made func(int64)) error {
	skus, locations := cellArrays(cells)
	t.queue(`insert into outbox (size, skus, locations) values ($1, $2, $3) returning id`, len(cells), skus, locations).
		Query(eachRow(func(scan scanFunc) error {
			var id int64
			if err := scan(&id); err != nil {
				return err
			}
			made(id)
			return nil
		}))
	return nil
}

func cellArrays(cells []inventory.Cell) (skus, locations []string) {
	skus, locations = make([]string, len(cells)), make([]string, len(cells))
	for i, c := range cells {
		skus[i], locations[i] = string(c.SKU), string(c.Location)
	}
	return skus, locations
}

func (t *postgresTx) deleteOutbox(_ context.Context, ids []int64) error {
	t.queue(`delete from outbox where id = any($1)`, ids)
	return nil
}

func (t *postgresTx) clearProblems(_ context.Context, rows []rowChange) error {
	feeds, keys := refArrays(rows)
	t.queue(`delete from problem p using unnest($1::integer[], $2::text[]) u(feed, row_key)
		where p.feed = u.feed and p.row_key = u.row_key`, feeds, keys)
	return nil
}
