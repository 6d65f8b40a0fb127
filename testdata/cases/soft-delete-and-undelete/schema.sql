create table stock (id int primary key, sku varchar(40) not null, site varchar(20) not null, qty int not null, active smallint not null default 1, deleted_at timestamp null default null);
insert into stock values (1, 'BRK-1', 'DC1', 5, 1, null), (2, 'BRK-1', 'DC1', 6, 1, null), (3, 'BRK-2', 'DC1', 7, 0, null);
