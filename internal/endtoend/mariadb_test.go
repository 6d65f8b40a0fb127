package endtoend_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// mariaSchema is erpSchema for MariaDB, with what the owner does for Tailstock.
func mariaSchema() []string {
	return []string{
		"create database erp", "use erp",
		`create table bin_stock (
			id bigint primary key, sku varchar(40), site varchar(20) not null, bin_type varchar(8) not null default 'PICK',
			qty decimal(12,3) not null, note mediumtext not null default '')`,
		`create table order_line (
			order_no varchar(20) not null, line int not null, sku varchar(40) not null, site varchar(20) not null,
			status varchar(12) not null, qty int not null, qty_shipped int not null default 0, primary key (order_no, line))`,
		`create table audit (id bigint auto_increment primary key, what mediumtext)`,
		"create user " + capturer + " identified by '" + capturerPassword + "'",
		"grant replication slave, binlog monitor on *.* to " + capturer,
		"grant select on bin_stock to " + capturer, "grant select on order_line to " + capturer,
	}
}

// newMariaDBSystem is newSystem with a source on MariaDB.
func newMariaDBSystem(t *testing.T, external bool) *system {
	t.Helper()
	s := &system{
		mariadb: testenv.MySQL(t, privateserver.FlavorMariaDB),
		tables:  strings.ReplaceAll(erpTables, "public.", "erp."),
	}
	if err := s.mariadb.Exec(t.Context(), mariaSchema()...); err != nil {
		t.Fatal(err)
	}
	s.complete(t, external)
	return s
}

// clerk is one session of a workload on MariaDB.
type clerk struct {
	w      *workload
	rng    *rand.Rand
	conn   *sql.Conn
	marker int
	// minimal says that the session logs no more of a row than it must.
	minimal bool
}

// run runs transactions until ctx ends, connecting again when the server went away.
func (k *clerk) run(ctx context.Context, dsn string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	for ctx.Err() == nil {
		var refusal *mysql.MySQLError
		err := k.session(ctx, db)
		// 1053, 1927: the server is going down.
		if errors.As(err, &refusal) && refusal.Number != 1053 && refusal.Number != 1927 {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (k *clerk) session(ctx context.Context, db *sql.DB) (err error) {
	// A transaction that was begun is finished, so that it is known how it ended.
	finish := context.WithoutCancel(ctx)
	if k.conn, err = db.Conn(finish); err != nil {
		return nil // it is being restarted
	}
	defer k.conn.Close()
	if k.minimal {
		if err := k.exec(finish, "set session binlog_row_image = minimal"); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		if err := k.step(finish); err != nil {
			return err
		}
	}
	return nil
}

func (k *clerk) exec(ctx context.Context, statement string, args ...any) error {
	_, err := k.conn.ExecContext(ctx, statement, args...)
	return err
}

// step runs one transaction. Conflicts of the workload with itself roll back.
func (k *clerk) step(ctx context.Context) error {
	if k.w.unmapped.Load() {
		return k.exec(ctx, `insert into audit (what) values (?)`, note(k.rng))
	}
	if k.rng.IntN(400) == 0 {
		return k.exec(ctx, `truncate table order_line`) // DDL, which commits by itself
	}
	if err := k.exec(ctx, "begin"); err != nil {
		return err
	}
	err := k.exec(ctx, `insert into bin_stock (id, sku, site, qty) values (?, 'MARKER', 'DC1', 1) on duplicate key update qty = qty + 1`, k.marker)
	for n := 1 + k.rng.IntN(8); n > 0 && err == nil; n-- {
		err = k.statement(ctx)
	}
	if refusedByRule(err) || err == nil && k.rng.IntN(10) == 0 {
		return k.exec(ctx, "rollback")
	}
	if err != nil {
		return err
	}
	if err := k.exec(ctx, "commit"); err != nil {
		return err
	}
	var id string
	if err := k.conn.QueryRowContext(ctx, "select @@last_gtid").Scan(&id); err != nil {
		return err
	}
	k.w.mu.Lock()
	defer k.w.mu.Unlock()
	k.w.committed = append(k.w.committed, id)
	return nil
}

// refusedByRule reports whether err is a refusal of the database's own rules: a
// duplicate, or a deadlock.
func refusedByRule(err error) bool {
	var refusal *mysql.MySQLError
	return errors.As(err, &refusal) && slices.Contains([]uint16{1020, 1062, 1205, 1213}, refusal.Number)
}

func (k *clerk) statement(ctx context.Context) error {
	if k.rng.IntN(8) > 0 {
		return k.change(ctx)
	}
	// A savepoint, half of the time rolled back to. A deadlock rolls back everything.
	if err := k.exec(ctx, "savepoint s"); err != nil {
		return err
	}
	if err := k.change(ctx); err != nil {
		return err
	}
	if k.rng.IntN(2) == 0 {
		return k.exec(ctx, "rollback to savepoint s")
	}
	return k.exec(ctx, "release savepoint s")
}

func (k *clerk) change(ctx context.Context) error {
	rng := k.rng
	id := rng.IntN(bins)
	order := fmt.Sprintf("SO-%04d", rng.IntN(orders))
	switch rng.IntN(12) {
	case 0, 1, 2:
		return k.exec(ctx, `insert into bin_stock (id, sku, site, bin_type, qty, note) values (?, ?, ?, ?, ?, ?)
			on duplicate key update qty = qty + values(qty)`,
			id, sku(rng), site(rng), []string{"PICK", "QC", "VOID"}[rng.IntN(3)], rng.IntN(50), note(rng))
	case 3, 4:
		return k.exec(ctx, `update bin_stock set qty = qty - ? where id = ?`, rng.IntN(10), id)
	case 5:
		return k.exec(ctx, `update bin_stock set sku = ?, site = ? where id = ?`, sku(rng), site(rng), id)
	case 6:
		return k.exec(ctx, `update bin_stock set id = ? where id = ?`, rng.IntN(bins), id)
	case 7:
		return k.exec(ctx, `delete from bin_stock where id = ?`, id)
	case 8:
		return k.exec(ctx, `insert into order_line values (?, ?, ?, ?, 'open', ?, 0)`, order, rng.IntN(5), sku(rng), site(rng), 1+rng.IntN(9))
	case 9:
		return k.exec(ctx, `update order_line set status = ?, qty_shipped = least(qty, qty_shipped + ?) where order_no = ?`,
			[]string{"picking", "shipped", "cancelled"}[rng.IntN(3)], rng.IntN(3), order)
	case 10:
		return k.exec(ctx, `delete from order_line where order_no = ?`, order)
	default:
		return k.exec(ctx, `insert into audit (what) values (?)`, note(rng))
	}
}

// mariaContributions computes what every row contributes, with nothing of ours.
const mariaContributions = `
select 'erp.bin_stock', concat('[', id, ']'), sku, site, cast(qty as char), '0',
	cast(case when bin_type = 'QC' or char_length(note) > 5000 then qty else 0 end as char)
from bin_stock where bin_type <> 'VOID'
union all
select 'erp.order_line', concat('["', order_no, '",', line, ']'), sku, site, '0', cast(qty - qty_shipped as char), '0'
from order_line where status in ('open', 'picking')`

// mariaTruth is truth of a MariaDB.
func mariaTruth(ctx context.Context, dsn string) ([]contribution, map[inventory.Cell]numbers, error) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	found, err := db.QueryContext(ctx, mariaContributions)
	if err != nil {
		return nil, nil, err
	}
	defer found.Close()
	var rows []contribution
	sums := make(map[inventory.Cell][3]inventory.Quantity)
	for found.Next() {
		var c contribution
		if err := found.Scan(&c.Table, &c.Row, &c.SKU, &c.Location, &c.OnHand, &c.Committed, &c.Unavailable); err != nil {
			return nil, nil, err
		}
		cell := inventory.Cell{SKU: inventory.SKU(c.SKU), Location: inventory.LocationID(c.Location)}
		sum, zero := sums[cell], true
		for i, text := range []*string{&c.OnHand, &c.Committed, &c.Unavailable} {
			q, err := inventory.ParseQuantity(*text)
			if err != nil {
				return nil, nil, err
			}
			*text = q.String()
			sum[i] += q
			zero = zero && q == 0
		}
		sums[cell] = sum
		if !zero {
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, func(a, b contribution) int {
		return strings.Compare(a.Table+"\x00"+a.Row, b.Table+"\x00"+b.Row)
	})
	want := make(map[inventory.Cell]numbers)
	for cell, sum := range sums {
		if sum != [3]inventory.Quantity{} {
			want[cell] = numbers{sum[0].String(), sum[1].String(), sum[2].String()}
		}
	}
	return rows, want, found.Err()
}
