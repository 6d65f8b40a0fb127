-- What the preset reads of ERPNext 15, and the ledger from which it keeps that.
create table "tabWarehouse" (name varchar(140) not null primary key, company varchar(140), is_group int not null default 0, disabled int not null default 0, lft int not null default 0, rgt int not null default 0);
create table "tabItem" (name varchar(140) not null primary key, item_code varchar(140), stock_uom varchar(140));
create table "tabBin" (
	name varchar(140) not null primary key, modified timestamp, docstatus int not null default 0,
	item_code varchar(140), warehouse varchar(140), actual_qty numeric(21,9) not null default 0, planned_qty numeric(21,9) not null default 0,
	indented_qty numeric(21,9) not null default 0, ordered_qty numeric(21,9) not null default 0, projected_qty numeric(21,9) not null default 0,
	reserved_qty numeric(21,9) not null default 0, reserved_qty_for_production numeric(21,9) not null default 0,
	reserved_qty_for_sub_contract numeric(21,9) not null default 0, reserved_qty_for_production_plan numeric(21,9) not null default 0,
	reserved_stock numeric(21,9) not null default 0, stock_uom varchar(140), valuation_rate numeric(21,9) not null default 0, stock_value numeric(21,9) not null default 0,
	unique (item_code, warehouse));
create table "tabStock Ledger Entry" (
	name varchar(140) not null primary key, item_code varchar(140), warehouse varchar(140), posting_datetime timestamp, voucher_type varchar(140),
	actual_qty numeric(21,9) not null default 0, qty_after_transaction numeric(21,9) not null default 0, is_cancelled int not null default 0);
insert into "tabWarehouse" (name, company) values ('Stores - AC', 'ACME'), ('Transit - AC', 'ACME');
insert into "tabItem" values ('HEL-9', 'HEL-9', 'Nos'), ('HEL-10', 'HEL-10', 'Nos');
insert into "tabStock Ledger Entry" values ('a1', 'HEL-9', 'Stores - AC', '2026-11-01', 'Stock Entry', 7, 7, 0);
insert into "tabBin" (name, item_code, warehouse, actual_qty, projected_qty) values ('b1', 'HEL-9', 'Stores - AC', 7, 7);
