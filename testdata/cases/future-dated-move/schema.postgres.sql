create table stock_move (id int primary key, sku text not null, site text not null, qty int not null, moved_on timestamp(3));
insert into stock_move values (1, 'BRK-1', 'DC1', 10, '2020-01-01'), (2, 'BRK-1', 'DC1', 5, '2099-12-01'), (3, 'BRK-2', 'DC1', 3, null);
