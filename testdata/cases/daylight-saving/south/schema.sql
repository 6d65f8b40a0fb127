create table promise (id int primary key, sku text not null, qty int not null, begins timestamp(3), ends timestamp(3));
insert into promise values (1, 'BRK-1', 5, null, (clock_timestamp() at time zone 'Australia/Sydney') + interval '40 minutes'),
	(2, 'BRK-1', 2, (clock_timestamp() at time zone 'Australia/Sydney') + interval '40 minutes', null),
	(3, 'BRK-1', 1, (clock_timestamp() at time zone 'Australia/Sydney') - interval '40 minutes', (clock_timestamp() at time zone 'Australia/Sydney') + interval '41 minutes');
