create table product_availability (id int primary key, sku varchar(40) not null, site varchar(20) not null, quantity_on_hand int not null);
insert into product_availability values (1, 'BRK-1', 'DC1', 5), (2, 'BRK-1', 'DC1', 6), (3, 'BRK-2', 'DC1', 7);
