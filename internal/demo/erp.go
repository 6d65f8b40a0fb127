package demo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/testdata/erp"
)

const database = "erp"

// access is what the owner of the database does for Tailstock, once.
const access = `
CREATE ROLE tailstock LOGIN REPLICATION;
GRANT SELECT ON bin_stock, part_site, order_line, transfer, basket TO tailstock;
CREATE PUBLICATION tailstock_erp FOR TABLE bin_stock, part_site, order_line, transfer, basket;`

// ERP is a running ERP. Its methods are safe for concurrent use, but for Close.
type ERP struct {
	server       *privateserver.Postgres
	parts        int
	rows         atomic.Int64
	transactions atomic.Int64
}

// Start makes an ERP below dir and blocks until it runs, with tables that are
// still empty. It fails with *privateserver.MissingError if PostgreSQL is not installed.
func Start(ctx context.Context, dir string) (*ERP, error) {
	server, err := privateserver.StartPostgres(ctx, privateserver.PostgresOptions{Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("start the ERP's PostgreSQL: %w", err)
	}
	e := &ERP{server: server}
	if err := e.install(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("install the ERP: %w", err), server.Close()) //nolint:contextcheck // closing is bounded in itself
	}
	return e, nil
}

func (e *ERP) install(ctx context.Context) error {
	if err := e.server.CreateDatabase(ctx, database); err != nil {
		return err
	}
	for _, script := range []string{erp.Schema, erp.Workload, access} {
		if err := e.exec(ctx, script); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the server. Its directory is the caller's to remove.
func (e *ERP) Close() error { return e.server.Close() }

// DSN returns the URL of the database for the role that Tailstock uses.
func (e *ERP) DSN() string { return e.server.UserDSN("tailstock", "", database) }

// Version returns the version of the server.
func (e *ERP) Version(ctx context.Context) (string, error) {
	version := ""
	err := e.query(ctx, `SHOW server_version`, func(row pgx.CollectableRow) error { return row.Scan(&version) })
	return version, err
}

// Fill makes the catalogue and the bins, and returns how many rows of followed
// tables that were.
func (e *ERP) Fill(ctx context.Context, parts, bins int) (int, error) {
	e.parts = parts
	if err := e.exec(ctx, fmt.Sprintf(`CALL app.fill(%d, %d)`, parts, bins)); err != nil {
		return 0, fmt.Errorf("fill the ERP: %w", err)
	}
	rows := 0
	err := e.query(ctx, `SELECT (SELECT count(*) FROM bin_stock) + (SELECT count(*) FROM part_site)`,
		func(row pgx.CollectableRow) error { return row.Scan(&rows) })
	return rows, err
}

// Parts returns the numbers of every n-th part.
func (e *ERP) Parts(ctx context.Context, n int) ([]string, error) {
	var parts []string
	err := e.query(ctx, fmt.Sprintf(`SELECT app.part_no(n) FROM generate_series(1, %d, %d) n`, e.parts, n), func(row pgx.CollectableRow) error {
		var part string
		err := row.Scan(&part)
		parts = append(parts, part)
		return err
	})
	return parts, err
}

// Work lets people work in several sessions until ctx ends, together about rate
// transactions a second, as far as the server keeps up.
func (e *ERP) Work(ctx context.Context, sessions, rate int) error {
	g, working := errgroup.WithContext(ctx)
	for range sessions {
		g.Go(func() error { return e.session(working, time.Second*time.Duration(sessions)/time.Duration(rate)) })
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("work in the ERP: %w", err)
	}
	return nil
}

func (e *ERP) session(ctx context.Context, pause time.Duration) error {
	conn, err := pgx.Connect(ctx, e.server.DSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		rows := 0
		// What was begun is finished, so that it is known what was changed.
		err := conn.QueryRow(context.WithoutCancel(ctx), `SELECT app.step($1)`, e.parts).Scan(&rows)
		if err != nil {
			return err
		}
		if rows > 0 {
			e.rows.Add(int64(rows))
			e.transactions.Add(1)
		}
	}
}

// Worked returns how many transactions Work has committed and how many rows of
// followed tables they changed.
func (e *ERP) Worked() (transactions, rows int64) { return e.transactions.Load(), e.rows.Load() }

// Levels computes the stock from the ERP's rows with nothing but SQL. Cells in
// which nothing is left are not in it.
func (e *ERP) Levels(ctx context.Context) (map[inventory.Cell]inventory.Quantities, error) {
	out := make(map[inventory.Cell]inventory.Quantities)
	err := e.query(ctx, erp.Levels, func(row pgx.CollectableRow) error {
		var cell inventory.Cell
		var q inventory.Quantities
		var text [5]string
		err := row.Scan((*string)(&cell.SKU), (*string)(&cell.Location), &text[0], &text[1], &text[2], &text[3], &text[4])
		if err != nil {
			return err
		}
		// The order of the query's columns.
		for i, kind := range []inventory.Kind{inventory.OnHand, inventory.Committed, inventory.Unavailable, inventory.SafetyStock, inventory.Incoming} {
			if q[kind], err = inventory.ParseQuantity(text[i]); err != nil {
				return fmt.Errorf("level of %s at %s: %w", cell.SKU, cell.Location, err)
			}
		}
		if q != (inventory.Quantities{}) {
			out[cell] = q
		}
		return nil
	})
	return out, err
}

func (e *ERP) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, e.server.DSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

// query calls f with every row.
func (e *ERP) query(ctx context.Context, sql string, f func(pgx.CollectableRow) error) error {
	conn, err := pgx.Connect(ctx, e.server.DSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// The text form of numeric is exact.
	rows, err := conn.Query(ctx, sql, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, f(row) })
	return err
}
