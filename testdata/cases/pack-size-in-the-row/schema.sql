create table receipt (id int primary key, sku varchar(40) not null, unit varchar(10) not null, pack_qty int not null, qty decimal(12,3) not null);
