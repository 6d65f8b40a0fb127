create table orders (id int primary key, state text not null, site text not null);
create table order_line (order_id int not null, line int not null, sku text not null, qty int not null, shipped int not null default 0, primary key (order_id, line));
insert into orders values (1, 'open', 'DC1'), (2, 'draft', 'DC1');
insert into order_line (order_id, line, sku, qty) values (1, 1, 'BRK-1', 4), (1, 2, 'BRK-2', 1), (2, 1, 'BRK-1', 10);
