create table brand (id int primary key, name text not null, note text);
create table product (id int primary key, code text, brand_id int, write_date int);
create table place (id int primary key, parent_id int, kind text not null, site text);
create table quant (id int primary key, product_id int, place_id int not null, qty numeric(12,3));
create table orders (id int primary key, state text not null);
create table line (order_id int not null, no int not null, product_id int not null, qty int not null, primary key (order_id, no));
create index on product (brand_id);
create index on quant (product_id);
create index on quant (place_id);
create index on line (product_id);
insert into brand values (1, 'ATE'), (2, 'BOSCH'), (3, 'SKF');
insert into product select n, 'P' || n, 1 + n % 3 from generate_series(1, 6) n;
insert into place values (10, null, 'view', 'DC1'), (20, null, 'view', 'DC2'), (11, 10, 'rack', null), (21, 20, 'rack', null),
	(12, 11, 'bin', null), (13, 10, 'bin', null), (22, 21, 'bin', null);
insert into quant select n, 1 + n % 7, (array[10, 11, 12, 13, 21, 22])[1 + n % 6], n from generate_series(1, 40) n;
insert into orders values (1, 'open'), (2, 'draft'), (3, 'open');
insert into line select 1 + n % 4, n, 1 + n % 6, n from generate_series(1, 12) n;
