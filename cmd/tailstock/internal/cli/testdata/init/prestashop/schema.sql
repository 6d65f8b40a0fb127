-- MariaDB. The tables of PrestaShop by which it is known.
CREATE TABLE ps_product (id_product integer PRIMARY KEY, reference varchar(64), cache_default_attribute integer);
CREATE TABLE ps_product_attribute (id_product_attribute integer PRIMARY KEY, id_product integer, reference varchar(64));
CREATE TABLE ps_stock_available (
    id_stock_available integer PRIMARY KEY, id_product integer NOT NULL, id_product_attribute integer NOT NULL, id_shop integer NOT NULL, id_shop_group integer NOT NULL,
    quantity integer NOT NULL, physical_quantity integer NOT NULL, reserved_quantity integer NOT NULL, depends_on_stock smallint NOT NULL);
INSERT INTO ps_product VALUES (1, 'demo_1', 1), (2, 'demo_2', 0);
INSERT INTO ps_product_attribute VALUES (1, 1, 'demo_1_S');
INSERT INTO ps_stock_available VALUES (1, 1, 0, 1, 0, 9, 10, 1, 0), (2, 1, 1, 1, 0, 9, 10, 1, 0), (3, 2, 0, 1, 0, 4, 4, 0, 0);
