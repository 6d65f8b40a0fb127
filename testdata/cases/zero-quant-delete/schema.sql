create table quant (id int primary key, sku varchar(40) not null, site varchar(20) not null, quantity decimal(12,3) not null);
insert into quant values (1, 'BRK-1', 'DC1', 2), (2, 'BRK-1', 'DC1', 3), (3, 'BRK-2', 'DC1', 1);
