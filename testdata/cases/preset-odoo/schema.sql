-- What the preset reads of Odoo 17, with the names and types that Odoo makes.
create table product_template (id serial primary key, type varchar not null, name jsonb not null, active boolean, write_date timestamp);
create table product_product (id serial primary key, product_tmpl_id int not null references product_template, default_code varchar, barcode varchar, active boolean, write_date timestamp);
create table stock_location (
	id serial primary key, location_id int references stock_location, warehouse_id int, company_id int, name varchar not null,
	complete_name varchar, parent_path varchar, usage varchar not null, scrap_location boolean, active boolean);
create table stock_warehouse (id serial primary key, name varchar not null, code varchar(5) not null, company_id int not null, view_location_id int not null, lot_stock_id int not null);
create table stock_quant (
	id serial primary key, product_id int not null references product_product, company_id int, location_id int not null references stock_location,
	lot_id int, package_id int, owner_id int, quantity numeric, reserved_quantity numeric not null, in_date timestamp not null, inventory_quantity numeric, write_date timestamp);
create table stock_move (
	id serial primary key, product_id int not null references product_product, company_id int not null, location_id int not null references stock_location,
	location_dest_id int not null references stock_location, state varchar, product_qty numeric, product_uom_qty numeric not null, quantity numeric, date timestamp not null);
create index on stock_quant (product_id);
create index on stock_quant (location_id);
create index on stock_move (product_id);
create index on stock_move (location_id);
create index on stock_move (location_dest_id);

insert into stock_location (id, location_id, warehouse_id, company_id, name, parent_path, usage, active) values
	(1, null, null, null, 'Virtual', '1/', 'view', true), (2, 1, null, null, 'Vendors', '1/2/', 'supplier', true),
	(3, 1, null, null, 'Customers', '1/3/', 'customer', true), (4, 1, null, 1, 'Inventory adjustment', '1/4/', 'inventory', true),
	(7, null, 1, 1, 'WH', '7/', 'view', true), (8, 7, 1, 1, 'Stock', '7/8/', 'internal', true), (9, 8, 1, 1, 'Shelf', '7/8/9/', 'internal', true),
	(17, null, 2, 1, 'CHI', '17/', 'view', true), (18, 17, 2, 1, 'Stock', '17/18/', 'internal', true),
	(27, null, 3, 2, 'OTHER', '27/', 'view', true), (28, 27, 3, 2, 'Stock', '27/28/', 'internal', true);
insert into stock_warehouse values (1, 'Main', 'WH', 1, 7, 8), (2, 'Chicago', 'CHI', 1, 17, 18), (3, 'Other company', 'OTH', 2, 27, 28);
insert into product_template (id, type, name, active) values (1, 'product', '{"en_US": "Brake disc"}', true), (2, 'product', '{"en_US": "Pad"}', true), (3, 'consu', '{"en_US": "Bag"}', true);
insert into product_product (id, product_tmpl_id, default_code, active) values (1, 1, 'DISC-280', true), (2, 1, 'DISC-300', true), (3, 2, 'PAD', true), (4, 3, 'BAG', true);
insert into stock_quant (id, product_id, company_id, location_id, quantity, reserved_quantity, in_date) values
	(1, 1, 1, 8, 10, 0, '2026-11-01'), (2, 1, 1, 9, 2.5, 0, '2026-11-01'), (3, 1, null, 2, -12.5, 0, '2026-11-01'), (4, 3, 2, 28, 50, 0, '2026-11-01');
insert into stock_quant (id, product_id, company_id, location_id, owner_id, quantity, reserved_quantity, in_date) values (5, 1, 1, 8, 77, 100, 0, '2026-11-01');
