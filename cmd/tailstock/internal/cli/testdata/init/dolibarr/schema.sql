-- MariaDB. The tables of Dolibarr by which it is known, under a prefix of the installation's own.
CREATE TABLE erp7_product (rowid integer NOT NULL AUTO_INCREMENT PRIMARY KEY, ref varchar(128) NOT NULL, entity integer NOT NULL DEFAULT 1, fk_product_type integer NOT NULL DEFAULT 0, stock double);
CREATE TABLE erp7_entrepot (rowid integer NOT NULL AUTO_INCREMENT PRIMARY KEY, ref varchar(255) NOT NULL, statut integer NOT NULL DEFAULT 1, entity integer NOT NULL DEFAULT 1);
CREATE TABLE erp7_product_stock (rowid integer NOT NULL AUTO_INCREMENT PRIMARY KEY, fk_product integer NOT NULL, fk_entrepot integer NOT NULL, reel double, UNIQUE (fk_product, fk_entrepot));
CREATE TABLE erp7_expeditiondet (rowid integer NOT NULL AUTO_INCREMENT PRIMARY KEY, fk_expedition integer NOT NULL, fk_elementdet integer, qty double);
INSERT INTO erp7_product (ref, stock) VALUES ('PINOTNOIR', 30);
INSERT INTO erp7_entrepot (ref) VALUES ('CAVE');
INSERT INTO erp7_product_stock (fk_product, fk_entrepot, reel) VALUES (1, 1, 30);
