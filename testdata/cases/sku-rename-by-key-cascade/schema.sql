create table item (name text primary key);
create table bin (name text primary key, item_code text not null references item on update cascade, warehouse text not null, actual_qty numeric(21,9) not null);
insert into item values ('HEL-9'), ('HEL-8');
insert into bin values ('b1', 'HEL-9', 'Stores', 7), ('b2', 'HEL-9', 'Yard', 2), ('b3', 'HEL-8', 'Stores', 1);
