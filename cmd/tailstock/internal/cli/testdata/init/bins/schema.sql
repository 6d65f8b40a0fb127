-- PostgreSQL. Stock by bins, whose warehouse and kind are in other tables; a total of it in the product; a journal with
-- counts that set the stock; prices and a history that are none of it.
CREATE TABLE warehouse (id serial PRIMARY KEY, code text NOT NULL UNIQUE, name text);
CREATE TABLE storage_bin (id serial PRIMARY KEY, warehouse_id integer NOT NULL REFERENCES warehouse, label text NOT NULL, bin_type text NOT NULL);
CREATE TABLE product (id serial PRIMARY KEY, part_number text NOT NULL, name text, stock_qty integer NOT NULL DEFAULT 0);
CREATE TABLE bin_content (id bigserial PRIMARY KEY, bin_id integer NOT NULL REFERENCES storage_bin, product_id integer NOT NULL REFERENCES product, quantity integer NOT NULL);
CREATE TABLE inventory_journal (id bigserial PRIMARY KEY, product_id integer NOT NULL REFERENCES product, warehouse_id integer NOT NULL, type text NOT NULL, quantity integer NOT NULL);
CREATE TABLE stock_history (day date NOT NULL, product_id integer NOT NULL REFERENCES product, stock integer NOT NULL, PRIMARY KEY (day, product_id));
CREATE TABLE product_price (product_id integer PRIMARY KEY REFERENCES product, min_quantity integer, price numeric(10,2));
CREATE VIEW stock_overview AS SELECT product_id, sum(quantity) AS quantity FROM bin_content GROUP BY 1;
INSERT INTO warehouse VALUES (1, 'NORTH', 'North'), (2, 'SOUTH', 'South');
INSERT INTO storage_bin VALUES (1, 1, 'A1', 'pick'), (2, 1, 'Q1', 'quarantine'), (3, 2, 'B1', 'bulk');
INSERT INTO product VALUES (1, 'PN-1', 'one', 12), (2, 'PN-2', 'two', 4);
INSERT INTO bin_content (bin_id, product_id, quantity) VALUES (1, 1, 5), (2, 1, 3), (3, 1, 4), (3, 2, 4);
INSERT INTO inventory_journal (product_id, warehouse_id, type, quantity) VALUES (1, 1, 'RECEIPT', 9), (1, 1, 'COUNT', 8);
