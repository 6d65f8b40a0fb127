create table item (name varchar(140) primary key);
create table bin (name varchar(140) primary key, item_code varchar(140) not null, warehouse varchar(140) not null, actual_qty decimal(21,9) not null);
insert into item values ('HEL-9'), ('HEL-8');
insert into bin values ('b1', 'HEL-9', 'Stores', 7), ('b2', 'HEL-9', 'Yard', 2), ('b3', 'HEL-8', 'Stores', 1);
