package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// source is a server that the daemon follows, with what bench asks of it in its SQL.
type source struct {
	db  *sql.DB
	pid func() int
	// section is its part of the configuration, the mapping included.
	section string
	// fresh makes the database anew, with a table of so many rows.
	fresh func(ctx context.Context, rows int) error
	// changeAll changes every row in one transaction, change one row of a given id,
	// changes calls a procedure that commits so many transactions of so many rows each,
	// going through the table of so many rows again and again.
	changeAll, change, changes string
	// probe changes what is reserved of one row, and nothing else does; probed says its
	// SKU, its location, and how much is reserved.
	probe, probed string
	// levels lists the table in the order of its SKUs, sums adds up a range of ids:
	// their number, and the product of id and available.
	levels, sums string
	// reference drains a backlog with a tool that only reads it, for the first or the
	// second time, and returns how long that took.
	reference func(ctx context.Context, n int, d drain) (time.Duration, error)
	// tool is the name of what reference uses.
	tool string
}

// backlog changes rows in transactions of d.per rows.
func (s *source) backlog(ctx context.Context, d drain) error {
	if d.per == d.changes && d.changes == d.rows {
		return s.exec(ctx, s.changeAll)
	}
	return s.exec(ctx, fmt.Sprintf(s.changes, d.changes/d.per, d.per, d.rows))
}

// exec runs statements, one after another.
func (s *source) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// steady commits single-row transactions at the configured rate, for a time.
func (b *bench) steady(ctx context.Context, length time.Duration) error {
	left := int(length.Seconds() * float64(b.rate))
	return b.steadyUntil(ctx, func() bool { left--; return left < 0 })
}

// steadyUntil commits single-row transactions at the configured rate until over
// says so. Transactions that the server is late with are not made up for.
func (b *bench) steadyUntil(ctx context.Context, over func() bool) error {
	conn, err := b.source.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	change, err := conn.PrepareContext(ctx, b.source.change)
	if err != nil {
		return err
	}
	defer change.Close()
	tick := time.NewTicker(time.Second / time.Duration(b.rate))
	defer tick.Stop()
	for i := 0; !over(); i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if _, err := change.ExecContext(ctx, i*7919%b.rows+1); err != nil {
			return err
		}
	}
	return nil
}
