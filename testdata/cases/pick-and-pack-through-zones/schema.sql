create table zone (id int primary key, kind text not null, warehouse text);
create table move (id int primary key, sku text not null, from_zone int not null, to_zone int not null, qty int not null, state text not null);
create index move_from_zone on move (from_zone);
create index move_to_zone on move (to_zone);
insert into zone values (1, 'supplier', null), (2, 'storage', 'WH1'), (3, 'packing', 'WH1'), (4, 'output', 'WH1'), (5, 'customer', null);
