package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/testdata/wms"
)

const warehouseDatabase = "wms"

// warehouseAccess is what the owner of the warehouse does for Tailstock, once.
const warehouseAccess = "CREATE USER tailstock;\n" +
	"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO tailstock;\n" +
	"GRANT SELECT ON wms.`tabBin Stock` TO tailstock;\n" +
	"GRANT SELECT ON wms.`order` TO tailstock;\n"

// Warehouse is a running warehouse system on MariaDB, which holds parts of the ERP
// in halls of its own and beside those of one of the ERP's sites. Its methods are
// safe for concurrent use, but for Close.
type Warehouse struct {
	server       *privateserver.MySQL
	db           *sql.DB
	parts        []string
	rows         atomic.Int64
	transactions atomic.Int64
}

// StartWarehouse makes a warehouse below dir and blocks until it runs, with tables
// that are still empty. It fails with *privateserver.MissingError if MariaDB is not installed.
func StartWarehouse(ctx context.Context, dir string) (*Warehouse, error) {
	server, err := privateserver.StartMySQL(ctx, privateserver.MySQLOptions{Flavor: privateserver.FlavorMariaDB, Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("start the warehouse's MariaDB: %w", err)
	}
	w := &Warehouse{server: server}
	if err := w.install(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("install the warehouse: %w", err), w.Close())
	}
	return w, nil
}

func (w *Warehouse) install(ctx context.Context) error {
	statements := []string{"CREATE DATABASE " + warehouseDatabase, "USE " + warehouseDatabase}
	for s := range strings.SplitSeq(wms.Schema+warehouseAccess, ";\n") {
		if strings.TrimSpace(s) != "" {
			statements = append(statements, s)
		}
	}
	if err := w.server.Exec(ctx, statements...); err != nil {
		return err
	}
	var err error
	w.db, err = sql.Open("mysql", w.server.DSN(warehouseDatabase))
	return err
}

// Close ends the server. Its directory is the caller's to remove.
func (w *Warehouse) Close() error {
	var err error
	if w.db != nil {
		err = w.db.Close()
	}
	return errors.Join(err, w.server.Close())
}

// DSN returns the data source name for the account that Tailstock uses.
func (w *Warehouse) DSN() string { return w.server.UserDSN("tailstock", "", "") }

// Version returns the version of the server.
func (w *Warehouse) Version(ctx context.Context) (version string, err error) {
	err = w.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	version, _, _ = strings.Cut(version, "-")
	return version, err
}

// hall returns the n-th hall: every second part lies beside those of the ERP's site.
func hall(n int) string { return []string{"DC-NORTH", "HALL-9"}[n%2] }

// fillBatch is how many rows a transaction of Fill has.
const fillBatch = 1000

// Fill puts each of the parts into a bin, and returns how many rows that were.
func (w *Warehouse) Fill(ctx context.Context, parts []string) (int, error) {
	w.parts = parts
	for from := 0; from < len(parts); from += fillBatch {
		some := parts[from:min(from+fillBatch, len(parts))]
		values := make([]string, len(some))
		var args []any
		for i, part := range some {
			values[i] = "(?, ?, ?, ?, ?)"
			n := from + i
			args = append(args, hall(n), fmt.Sprintf("%c-%04d", 'A'+rune(n%8), n/8), part, []string{"pick", "pick", "inspect", "pick", "void"}[n%5], 3+n%30)
		}
		insert := "INSERT INTO `tabBin Stock` (hall, bin, part_no, `status`, qty) VALUES " + strings.Join(values, ", ") //nolint:gosec // placeholders
		if _, err := w.db.ExecContext(ctx, insert, args...); err != nil {
			return 0, fmt.Errorf("fill the warehouse: %w", err)
		}
	}
	return len(parts), nil
}

// Work lets people work in several sessions until ctx ends, together about rate
// transactions a second, as far as the server keeps up.
func (w *Warehouse) Work(ctx context.Context, sessions, rate int) error {
	g, working := errgroup.WithContext(ctx)
	for range sessions {
		g.Go(func() error { return w.session(working, time.Second*time.Duration(sessions)/time.Duration(rate)) })
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("work in the warehouse: %w", err)
	}
	return nil
}

func (w *Warehouse) session(ctx context.Context, pause time.Duration) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		// What was begun is finished, so that it is known what was changed.
		if err := w.step(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// step runs one transaction of somebody at work. A deadlock leaves it undone.
func (w *Warehouse) step(ctx context.Context) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	rows, err := w.change(ctx, tx)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		var refusal *mysql.MySQLError
		if errors.As(err, &refusal) && refusal.Number == 1213 {
			return nil // it was rolled back by the server
		}
		return errors.Join(err, tx.Rollback())
	}
	if rows > 0 {
		w.rows.Add(rows)
		w.transactions.Add(1)
	}
	return nil
}

// change does one thing that people do, and returns how many rows of followed tables it changed.
func (w *Warehouse) change(ctx context.Context, tx *sql.Tx) (rows int64, err error) {
	part, at := w.parts[rand.IntN(len(w.parts))], hall(rand.IntN(2)) //nolint:gosec // no secret
	exec := func(statement string, args ...any) {
		if err != nil {
			return
		}
		var result sql.Result
		if result, err = tx.ExecContext(ctx, statement, args...); err == nil {
			var n int64
			n, err = result.RowsAffected()
			rows += n
		}
	}
	quantity := 1 + rand.IntN(5)   //nolint:gosec // no secret
	switch kind := rand.IntN(8); { //nolint:gosec // no secret
	case kind < 2: // a delivery
		exec("INSERT INTO `tabBin Stock` (hall, bin, part_no, qty) VALUES (?, 'IN', ?, ?) ON DUPLICATE KEY UPDATE qty = qty + VALUES(qty)", at, part, quantity)
	case kind < 4: // an order
		exec("INSERT INTO `order` (part_no, hall, qty) VALUES (?, ?, ?)", part, at, quantity)
	case kind < 6: // the oldest order is fetched
		exec("UPDATE `order` o JOIN `tabBin Stock` b ON b.part_no = o.part_no AND b.hall = o.hall AND b.`status` = 'pick' " +
			"SET o.done = 1, b.qty = b.qty - o.qty WHERE o.id = (SELECT min(id) FROM (SELECT id FROM `order` WHERE done = 0) todo)")
		exec("DELETE FROM `order` WHERE done = 0 ORDER BY id LIMIT ?", rand.IntN(2)) //nolint:gosec // no secret
	case kind == 6: // somebody looks into a bin
		exec("UPDATE `tabBin Stock` SET `status` = IF(`status` = 'pick', 'inspect', 'pick') WHERE part_no = ? AND hall = ?", part, at)
	default: // a bin is moved
		exec("UPDATE IGNORE `tabBin Stock` SET bin = concat('M-', ?) WHERE part_no = ? AND hall = ? AND bin <> 'IN'", quantity, part, at)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "INSERT INTO journal (what) VALUES (?)", part)
	}
	return rows, err
}

// Worked returns how many transactions Work has committed and how many rows of
// followed tables they changed.
func (w *Warehouse) Worked() (transactions, rows int64) { return w.transactions.Load(), w.rows.Load() }

// AddLevels adds the stock of the warehouse, computed from its rows with nothing
// but SQL, to levels. Cells in which nothing is left are not in it afterwards.
func (w *Warehouse) AddLevels(ctx context.Context, levels map[inventory.Cell]inventory.Quantities) error {
	rows, err := w.db.QueryContext(ctx, wms.Levels)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var cell inventory.Cell
		var text [3]string
		if err := rows.Scan((*string)(&cell.SKU), (*string)(&cell.Location), &text[0], &text[1], &text[2]); err != nil {
			return err
		}
		q := levels[cell]
		for i, kind := range []inventory.Kind{inventory.OnHand, inventory.Committed, inventory.Unavailable} {
			n, err := inventory.ParseQuantity(text[i])
			if err != nil {
				return fmt.Errorf("level of %s at %s: %w", cell.SKU, cell.Location, err)
			}
			q[kind] += n
		}
		if levels[cell] = q; q == (inventory.Quantities{}) {
			delete(levels, cell)
		}
	}
	return rows.Err()
}
