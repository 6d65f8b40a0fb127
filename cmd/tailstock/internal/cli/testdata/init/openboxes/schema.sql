-- MariaDB. The tables of OpenBoxes by which it is known.
CREATE TABLE location (id char(38) PRIMARY KEY, name varchar(255) NOT NULL, location_number varchar(255));
CREATE TABLE product_availability (
    id char(38) PRIMARY KEY, location_id char(38) NOT NULL, product_id char(38), product_code varchar(255), bin_location_name varchar(255), lot_number varchar(255),
    quantity_on_hand integer, quantity_allocated integer, quantity_on_hold bigint, quantity_available_to_promise bigint);
INSERT INTO location VALUES ('L1', 'Depot', 'D1');
INSERT INTO product_availability VALUES ('1', 'L1', 'p', 'AB12', 'A', '', 12, 2, 1, 9);
