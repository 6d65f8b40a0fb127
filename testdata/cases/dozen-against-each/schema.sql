create table uom (id int primary key, name text not null, numerator int not null, denominator int not null);
create table stock_move (id int primary key, sku text not null, site text not null, uom_id int not null, qty numeric(12,3) not null);
create index stock_move_uom_id on stock_move (uom_id);
insert into uom values (1, 'each', 1, 1), (2, 'dozen', 12, 1), (3, 'of a set of three', 1, 3);
insert into stock_move values (1, 'PLUG-4', 'DC1', 1, 5), (2, 'PLUG-4', 'DC1', 2, 2);
