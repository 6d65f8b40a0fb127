create table stock (id int primary key, sku varchar(40) not null, site varchar(20) not null, qty int not null);
insert into stock values (1, 'BRK-1', 'DC1', 10);
