-- MariaDB. The tables of ERPNext 15 by which it is known.
CREATE TABLE `tabItem` (name varchar(140) PRIMARY KEY, item_code varchar(140));
CREATE TABLE `tabWarehouse` (name varchar(140) PRIMARY KEY, company varchar(140), lft int, rgt int);
CREATE TABLE `tabBin` (
    name varchar(140) PRIMARY KEY, item_code varchar(140), warehouse varchar(140), actual_qty decimal(21,9) NOT NULL DEFAULT 0, reserved_qty decimal(21,9) NOT NULL DEFAULT 0,
    ordered_qty decimal(21,9) NOT NULL DEFAULT 0, indented_qty decimal(21,9) NOT NULL DEFAULT 0, planned_qty decimal(21,9) NOT NULL DEFAULT 0, projected_qty decimal(21,9) NOT NULL DEFAULT 0,
    reserved_qty_for_production decimal(21,9) NOT NULL DEFAULT 0, reserved_qty_for_sub_contract decimal(21,9) NOT NULL DEFAULT 0,
    reserved_qty_for_production_plan decimal(21,9) NOT NULL DEFAULT 0, reserved_stock decimal(21,9) NOT NULL DEFAULT 0);
INSERT INTO `tabBin` (name, item_code, warehouse, actual_qty, reserved_qty, ordered_qty) VALUES ('a', 'HEL-9', 'Stores - AC', 7, 2, 10);
