create table brand (id int primary key, name varchar(20) not null, note varchar(20));
create table product (id int primary key, code varchar(20), brand_id int, write_date int);
create table place (id int primary key, parent_id int, kind varchar(20) not null, site varchar(20));
create table quant (id int primary key, product_id int, place_id int not null, qty numeric(12,3));
create table orders (id int primary key, state varchar(20) not null);
create table line (order_id int not null, no int not null, product_id int not null, qty int not null, primary key (order_id, no));
create index product_brand on product (brand_id);
create index quant_product on quant (product_id);
create index quant_place on quant (place_id);
create index line_product on line (product_id);
insert into brand (id, name) values (1, 'ATE'), (2, 'BOSCH'), (3, 'SKF');
insert into product (id, code, brand_id) values (1, 'P1', 1), (2, 'P2', 2), (3, 'P3', 3), (4, 'P4', 1), (5, 'P5', 2), (6, 'P6', 3);
insert into place values (10, null, 'view', 'DC1'), (20, null, 'view', 'DC2'), (11, 10, 'rack', null), (21, 20, 'rack', null),
	(12, 11, 'bin', null), (13, 10, 'bin', null), (22, 21, 'bin', null);
insert into quant values
	(1, 2, 11, 1), (2, 3, 12, 2), (3, 4, 13, 3), (4, 5, 21, 4), (5, 6, 22, 5), (6, 7, 10, 6), (7, 1, 11, 7), (8, 2, 12, 8), (9, 3, 13, 9), (10, 4, 21, 10),
	(11, 5, 22, 11), (12, 6, 10, 12), (13, 7, 11, 13), (14, 1, 12, 14), (15, 2, 13, 15), (16, 3, 21, 16), (17, 4, 22, 17), (18, 5, 10, 18), (19, 6, 11, 19), (20, 7, 12, 20),
	(21, 1, 13, 21), (22, 2, 21, 22), (23, 3, 22, 23), (24, 4, 10, 24), (25, 5, 11, 25), (26, 6, 12, 26), (27, 7, 13, 27), (28, 1, 21, 28), (29, 2, 22, 29), (30, 3, 10, 30),
	(31, 4, 11, 31), (32, 5, 12, 32), (33, 6, 13, 33), (34, 7, 21, 34), (35, 1, 22, 35), (36, 2, 10, 36), (37, 3, 11, 37), (38, 4, 12, 38), (39, 5, 13, 39), (40, 6, 21, 40);
insert into orders values (1, 'open'), (2, 'draft'), (3, 'open');
insert into line values (2, 1, 2, 1), (3, 2, 3, 2), (4, 3, 4, 3), (1, 4, 5, 4), (2, 5, 6, 5), (3, 6, 1, 6), (4, 7, 2, 7), (1, 8, 3, 8), (2, 9, 4, 9), (3, 10, 5, 10), (4, 11, 6, 11), (1, 12, 1, 12);
