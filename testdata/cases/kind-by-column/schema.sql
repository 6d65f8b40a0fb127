create table stock_line (id int primary key, sku varchar(40) not null, site varchar(20) not null, qty decimal(12,3) not null, kind varchar(12) not null, issotrx char(1) not null);
insert into stock_line values (1, 'BRK-1', 'DC1', 20, 'stock', ' '), (2, 'BRK-1', 'DC1', 3, 'reservation', 'Y'), (3, 'BRK-1', 'DC1', 50, 'reservation', 'N');
