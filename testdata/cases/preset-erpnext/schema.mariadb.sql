-- What the preset reads of ERPNext 15, and the ledger from which it keeps that.
create table `tabWarehouse` (name varchar(140) not null primary key, company varchar(140), is_group int(1) not null default 0, disabled int(1) not null default 0, lft int(11) not null default 0, rgt int(11) not null default 0);
create table `tabItem` (name varchar(140) not null primary key, item_code varchar(140), stock_uom varchar(140));
create table `tabBin` (
	name varchar(140) not null primary key, modified datetime(6), docstatus int(1) not null default 0,
	item_code varchar(140), warehouse varchar(140), actual_qty decimal(21,9) not null default 0, planned_qty decimal(21,9) not null default 0,
	indented_qty decimal(21,9) not null default 0, ordered_qty decimal(21,9) not null default 0, projected_qty decimal(21,9) not null default 0,
	reserved_qty decimal(21,9) not null default 0, reserved_qty_for_production decimal(21,9) not null default 0,
	reserved_qty_for_sub_contract decimal(21,9) not null default 0, reserved_qty_for_production_plan decimal(21,9) not null default 0,
	reserved_stock decimal(21,9) not null default 0, stock_uom varchar(140), valuation_rate decimal(21,9) not null default 0, stock_value decimal(21,9) not null default 0,
	unique (item_code, warehouse));
create table `tabStock Ledger Entry` (
	name varchar(140) not null primary key, item_code varchar(140), warehouse varchar(140), posting_datetime datetime(6), voucher_type varchar(140),
	actual_qty decimal(21,9) not null default 0, qty_after_transaction decimal(21,9) not null default 0, is_cancelled int(1) not null default 0);
insert into `tabWarehouse` (name, company) values ('Stores - AC', 'ACME'), ('Transit - AC', 'ACME');
insert into `tabItem` values ('HEL-9', 'HEL-9', 'Nos'), ('HEL-10', 'HEL-10', 'Nos');
insert into `tabStock Ledger Entry` values ('a1', 'HEL-9', 'Stores - AC', '2026-11-01', 'Stock Entry', 7, 7, 0);
insert into `tabBin` (name, item_code, warehouse, actual_qty, projected_qty) values ('b1', 'HEL-9', 'Stores - AC', 7, 7);
