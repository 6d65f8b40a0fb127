create table order_line (id int primary key, sku text not null, site text not null, qty int not null);
insert into order_line values (1, 'BRK-1', 'DC1', 4);
