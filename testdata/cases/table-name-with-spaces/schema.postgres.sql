create table "tabStock Entry Detail" (name varchar(140) primary key, item_code varchar(140) not null, "Target Warehouse" varchar(140) not null, "qty in stock uom" decimal(21,9) not null, docstatus int not null);
insert into "tabStock Entry Detail" values ('a', 'HEL-9', 'Stores - AC', 4, 1);
