package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// quants is Odoo's tables as far as its preset reads them, with a product for each
// quant. change_quants commits transactions of per rows each, as change does.
const quants = `
create table product_template (id int primary key, type varchar not null, name jsonb not null);
create table product_product (id int primary key, product_tmpl_id int not null, default_code varchar);
create table stock_location (id int primary key, usage varchar not null, warehouse_id int, parent_path varchar);
create table stock_warehouse (id int primary key, name varchar not null, code varchar not null);
create table stock_quant (
	id int primary key, product_id int not null, company_id int, location_id int not null, lot_id int, package_id int, owner_id int,
	quantity numeric, reserved_quantity numeric not null, in_date timestamp not null, inventory_quantity numeric, write_date timestamp);
create table stock_move (
	id int primary key, product_id int not null, company_id int, location_id int not null, location_dest_id int not null,
	state varchar, product_qty numeric);
create index on stock_quant (product_id);
create index on stock_quant (location_id);
alter publication tailstock_erp add table product_template, product_product, stock_location, stock_warehouse, stock_quant, stock_move;
create procedure change_quants(transactions bigint, per bigint, total bigint) language plpgsql as $$
declare first bigint := 1;
begin
	for i in 1..transactions loop
		update stock_quant set quantity = quantity + 1, write_date = clock_timestamp() where id between first and first + per - 1;
		commit;
		first := first + per;
		if first + per - 1 > total then first := 1; end if;
	end loop;
end $$;`

// quantRows fills them: a thousand locations in ten warehouses.
const quantRows = `
insert into product_template select i, 'product', '{}' from generate_series(1, %[1]d) i;
insert into product_product select i, i, 'BRK-' || i from generate_series(1, %[1]d) i;
insert into stock_warehouse select i, 'Warehouse', 'WH' || i from generate_series(1, 10) i;
insert into stock_location select i, 'internal', 1 + i %% 10, i || '/' from generate_series(1, 1000) i;
insert into stock_quant (id, product_id, company_id, location_id, quantity, reserved_quantity, in_date)
	select i, i, 1, 1 + i %% 1000, 1000, i %% 7, now() from generate_series(1, %[1]d) i`

// quantMapping is a way to map quants, and what the store must show of them.
type quantMapping struct{ name, section, levels string }

var (
	plainQuants = quantMapping{ //nolint:gochecknoglobals // constant
		"plain columns", `    tables:
      public.stock_quant:
        contributes: [{sku: product_id, location: location_id, on_hand: quantity, committed: reserved_quantity}]
`, `select product_id::text, location_id::text, quantity::bigint, reserved_quantity::bigint
		from stock_quant order by product_id::text collate "C"`,
	}
	presetQuants = quantMapping{ //nolint:gochecknoglobals // constant
		"the Odoo preset", `    preset: odoo@17
    variables: {companies: 1}
`, `select p.default_code, w.code, q.quantity::bigint, q.reserved_quantity::bigint
		from stock_quant q join product_product p on p.id = q.product_id join stock_location l on l.id = q.location_id
		join stock_warehouse w on w.id = l.warehouse_id order by p.default_code collate "C"`,
	}
)

// quantGoal is the least rate of the preset, as a part of that of plain columns.
const quantGoal = 0.8

// odoo measures how fast a backlog of quants gets into the log through the Odoo
// preset, which looks up four tables, and before and after that by a mapping of
// plain columns of the same rows.
func (b *bench) odoo(ctx context.Context) error {
	d := drain{rows: b.rows, changes: b.changes - b.changes%10, per: 10, logOnly: true}
	postgres := b.source
	defer func() { b.source = postgres }()
	var took [3]time.Duration
	for i, m := range []quantMapping{plainQuants, presetQuants, plainQuants} {
		s := *postgres
		s.fresh, s.levels = b.freshQuants, m.levels
		s.changes, s.changeAll = `call change_quants(%d, %d, %d)`, `update stock_quant set quantity = quantity + 1, write_date = clock_timestamp()`
		s.section = fmt.Sprintf("postgres: {dsn: %q, slot: tailstock_erp, publication: tailstock_erp}\n%s", b.erp.DSN("erp"), m.section)
		b.source = &s
		var err error
		if took[i], err = b.drainQuants(ctx, d); err != nil {
			return fmt.Errorf("with %s: %w", m.name, err)
		}
	}
	preset, plain := d.rate(took[1]), d.rate((took[0]+took[2])/2)
	b.table.add(fmt.Sprintf("%s of quants: source to log, through %s", d, presetQuants.name), perSecond(preset),
		plainQuants.name+" "+perSecond(plain), fmt.Sprintf("%.2f", preset/plain), fmt.Sprintf("ratio %.1f", quantGoal))
	return nil
}

// freshQuants makes the database anew, with so many quants.
func (b *bench) freshQuants(ctx context.Context, rows int) error {
	if err := b.freshPostgres(ctx, 10); err != nil {
		return err
	}
	return b.exec(ctx, b.erp.DSN("erp"), quants, fmt.Sprintf(quantRows, rows), `vacuum analyze`, `checkpoint`)
}

// drainQuants returns how long a backlog of quants takes to the log.
func (b *bench) drainQuants(ctx context.Context, d drain) (time.Duration, error) {
	if err := b.reset(ctx, d.rows); err != nil {
		return 0, err
	}
	if err := b.loadQuants(ctx, d.rows); err != nil {
		return 0, fmt.Errorf("load the table: %w", err)
	}
	if err := b.source.backlog(ctx, d); err != nil {
		return 0, fmt.Errorf("make backlog: %w", err)
	}
	arrived, err := b.run(ctx, d)
	if err != nil {
		return 0, err
	}
	if _, err := b.replay(ctx, d); err != nil {
		return 0, fmt.Errorf("read the log back: %w", err)
	}
	if err := b.verifyStore(ctx); err != nil {
		return 0, fmt.Errorf("compare store with source: %w", err)
	}
	return arrived.log, nil
}

// loadQuants has a daemon load them.
func (b *bench) loadQuants(ctx context.Context, rows int) (err error) {
	p, err := b.daemon(ctx, rolesAll)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := p.await(ctx, func(m metrics) bool { return m.sum("tailstock_capture_events_total") >= float64(rows) }); err != nil {
		return err
	}
	return b.awaitLevels(ctx, rows)
}
