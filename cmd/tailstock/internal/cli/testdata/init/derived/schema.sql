-- MariaDB. What is there and what can be promised; what is promised is the difference. Words that nobody can know.
CREATE TABLE facility_stock (
    part_no varchar(30) NOT NULL, facility varchar(20) NOT NULL, qoh decimal(18,6) NOT NULL, atp decimal(18,6), grade char(1) NOT NULL,
    PRIMARY KEY (part_no, facility, grade)) ENGINE=InnoDB;
CREATE TABLE picking_list (id int PRIMARY KEY, part_no varchar(30) NOT NULL, facility varchar(20) NOT NULL, qty int NOT NULL, state enum('todo', 'done') NOT NULL);
INSERT INTO facility_stock VALUES ('G-1', 'WEB', 10, 8, 'A'), ('G-1', 'WEB', 4, 4, 'B'), ('G-2', 'WEB', 1, 1, 'A');
INSERT INTO picking_list VALUES (1, 'G-1', 'WEB', 2, 'todo');
