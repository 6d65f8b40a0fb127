package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// completeRows is how many rows one statement reads: large values are what the
// stream leaves out.
const completeRows = 200

// Complete fills the Unchanged values of rows from the source, by key, and sets
// After to nil where the row is gone. Each row is read as of a moment at which
// transaction t is visible; values that are not Unchanged stay as they are. If
// columns were removed since, it fails with *cdc.SetupError.
//
// It blocks until t is visible, which takes as long as a synchronous standby
// does to answer, and while DDL holds a table. It opens a connection at its
// first call and keeps it; Close releases it.
//
// Every statement takes its snapshot after it has locked its table, unlike the
// second statement of a REPEATABLE READ transaction: that one finds a table
// empty which TRUNCATE or a rewriting ALTER TABLE replaced in between, and rows
// that are there would be taken for gone (observed).
func (s *Source) Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error {
	if len(rows) == 0 {
		return nil
	}
	xid, err := strconv.ParseUint(t.ID, 10, 32)
	if err != nil {
		return fmt.Errorf("complete rows of transaction %q: not a transaction id: %w", t.ID, err)
	}
	for _, group := range groupByTable(rows) {
		for len(group) > 0 {
			batch := group[:min(len(group), completeRows)]
			group = group[len(batch):]
			if err := s.completeBatch(ctx, uint32(xid), batch); err != nil {
				return fmt.Errorf("complete rows of table %s: %w", batch[0].Table.Name, err)
			}
		}
	}
	return nil
}

// groupByTable splits rows by their Table, in the order of first appearance.
func groupByTable(rows []*cdc.NetChange) [][]*cdc.NetChange {
	index := make(map[*cdc.Table]int)
	var groups [][]*cdc.NetChange
	for _, row := range rows {
		i, ok := index[row.Table]
		if !ok {
			i = len(groups)
			index[row.Table] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], row)
	}
	return groups
}

// completeBatch completes rows of one Table, as soon as transaction xid is visible.
func (s *Source) completeBatch(ctx context.Context, xid uint32, rows []*cdc.NetChange) error {
	c, err := newCompletion(rows)
	if err != nil {
		return err
	}
	w := tailing.Wait{Log: s.log.With("waits", "completing rows")}
	for {
		visible, err := s.tryComplete(ctx, xid, c)
		if err != nil || visible {
			return err
		}
		if err := w.Pause(ctx, uint64(xid)); err != nil {
			return err
		}
	}
}

// tryComplete completes c's rows unless transaction xid is invisible. A
// connection that broke while it was idle is replaced once.
func (s *Source) tryComplete(ctx context.Context, xid uint32, c *completion) (visible bool, err error) {
	for range 2 {
		var broken bool
		err = s.reads.use(ctx, func(conn *pgx.Conn) error {
			var err error
			visible, err = c.run(ctx, conn, xid)
			broken = conn.IsClosed()
			return err
		})
		if err == nil || !broken || ctx.Err() != nil {
			break
		}
	}
	return visible, err
}

// errStandby is returned when the server is not a primary: the snapshots of a
// standby do not tell which transactions they do not see (observed).
var errStandby = errors.New("the server is a standby")
