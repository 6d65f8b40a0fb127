create table stock (id int primary key, sku text not null, qty int not null);
insert into stock values (1, 'BRK-1', 5), (2, 'BRK-2', 7);
