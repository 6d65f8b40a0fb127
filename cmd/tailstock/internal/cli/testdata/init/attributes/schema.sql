-- PostgreSQL. One property of a product in a row.
CREATE TABLE product (id bigint PRIMARY KEY, sku text NOT NULL UNIQUE, title text);
CREATE TABLE product_attribute (product_id bigint NOT NULL REFERENCES product, attribute text NOT NULL, value text, PRIMARY KEY (product_id, attribute));
INSERT INTO product VALUES (1, 'P-1', 'one'), (2, 'P-2', 'two');
INSERT INTO product_attribute VALUES (1, 'color', 'red'), (1, 'stock_qty', '7'), (1, 'reserved_qty', '2'), (2, 'stock_qty', '1.5'), (2, 'weight', '3');
