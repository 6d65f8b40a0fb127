-- MariaDB. Names with spaces and reserved words, a composite key, deleted rows that stay, and a copy without a key.
CREATE TABLE `Stock Levels` (
    `Part No` varchar(40) NOT NULL, `Ware House` varchar(20) NOT NULL, `left` int, `Qty On Hand` decimal(12,3) NOT NULL,
    `Qty Allocated` decimal(12,3), `On Order` int, `deleted at` datetime, PRIMARY KEY (`Part No`, `Ware House`));
CREATE TABLE `stock levels copy` (`Part No` varchar(40), `Ware House` varchar(20), `Qty On Hand` decimal(12,3));
CREATE TABLE `Sales Order Lines` (`Order No` int NOT NULL, `Line No` int NOT NULL, `Part No` varchar(40) NOT NULL, qty int NOT NULL, done tinyint(1) NOT NULL, PRIMARY KEY (`Order No`, `Line No`));
INSERT INTO `Stock Levels` VALUES ('A 1', 'MAIN', 1, 5, 2, 10, NULL), ('A 1', 'SHOP', 1, 1, NULL, NULL, NULL), ('B-2', 'MAIN', 1, 9, 0, 0, '2026-01-01');
INSERT INTO `Sales Order Lines` VALUES (1, 1, 'A 1', 2, 0);
