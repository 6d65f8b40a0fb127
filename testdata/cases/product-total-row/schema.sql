create table product (id_product int primary key, reference text not null, cache_default_attribute int not null);
create table product_attribute (id_product_attribute int primary key, reference text not null);
create table stock_available (id int primary key, id_product int not null, id_product_attribute int not null, quantity int not null);
create index stock_available_id_product on stock_available (id_product);
create index stock_available_id_product_attribute on stock_available (id_product_attribute);
insert into product values (1, 'SHIRT', 11), (2, 'BRK-1', 0);
insert into product_attribute values (11, 'SHIRT-S'), (12, 'SHIRT-L');
insert into stock_available values (1, 1, 0, 9), (2, 1, 11, 4), (3, 1, 12, 5), (4, 2, 0, 7);
