create table "order" ("select" int primary key, "left" decimal(12,3) not null, "in" varchar(40) not null, "and" varchar(20) not null, "when" int not null, "null" int, "Group" varchar(10) not null);
insert into "order" values (1, 5, 'BRK-1', 'DC1', 1, null, 'A');
