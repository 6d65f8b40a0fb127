-- PostgreSQL. The tables of Odoo 17 by which it is known, with the columns that matter, of two companies.
CREATE TABLE stock_warehouse (id serial PRIMARY KEY, code varchar NOT NULL);
CREATE TABLE stock_location (id serial PRIMARY KEY, usage varchar NOT NULL, warehouse_id integer, parent_path varchar, location_id integer, company_id integer);
CREATE TABLE product_template (id serial PRIMARY KEY, type varchar);
CREATE TABLE product_product (id serial PRIMARY KEY, product_tmpl_id integer NOT NULL, default_code varchar, barcode varchar);
CREATE TABLE stock_lot (id serial PRIMARY KEY);
CREATE TABLE stock_quant (id serial PRIMARY KEY, product_id integer NOT NULL, location_id integer NOT NULL, owner_id integer, company_id integer, quantity numeric, reserved_quantity numeric NOT NULL);
CREATE TABLE stock_move (id serial PRIMARY KEY, product_id integer, location_id integer, location_dest_id integer, state varchar, product_qty numeric, company_id integer, picked boolean);
INSERT INTO stock_warehouse VALUES (1, 'WH');
INSERT INTO stock_location VALUES (8, 'internal', 1, '1/8/', 1, 1), (4, 'supplier', NULL, '4/', NULL, NULL);
INSERT INTO product_template VALUES (1, 'product');
INSERT INTO product_product VALUES (1, 1, 'FURN-1', NULL);
INSERT INTO stock_quant (product_id, location_id, company_id, quantity, reserved_quantity) VALUES (1, 8, 1, 10, 2), (1, 8, 1, 1, 0), (1, 4, 3, -11, 0);
INSERT INTO stock_move VALUES (1, 1, 4, 8, 'assigned', 5, 1, false);
