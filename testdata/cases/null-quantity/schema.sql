create table reel (id int primary key, sku varchar(40), site varchar(20), qty decimal(12,3), reserved int);
insert into reel values (1, 'CABLE', 'DC1', 100, null), (2, 'CABLE', 'DC1', null, null);
