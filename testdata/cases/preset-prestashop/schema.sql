-- What the preset reads of PrestaShop 8, under another prefix than its own.
create table shop_product (id_product int not null primary key, reference varchar(64), cache_default_attribute int, product_type varchar(20), date_upd timestamp null);
create table shop_product_attribute (id_product_attribute int not null primary key, id_product int not null, reference varchar(64), default_on smallint);
create table shop_stock_available (
	id_stock_available int not null primary key, id_product int not null, id_product_attribute int not null, id_shop int not null, id_shop_group int not null,
	quantity int not null default 0, physical_quantity int not null default 0, reserved_quantity int not null default 0, depends_on_stock smallint not null default 0,
	out_of_stock smallint not null default 0, location varchar(255) not null default '', unique (id_product, id_product_attribute, id_shop, id_shop_group));
create index stock_combination on shop_stock_available (id_product_attribute);
insert into shop_product (id_product, reference, cache_default_attribute) values (1, 'SHIRT', 11), (2, 'BRK-1', 0), (3, 'MUG', null);
insert into shop_product_attribute values (11, 1, 'SHIRT-S', 1), (12, 1, '', null);
insert into shop_stock_available (id_stock_available, id_product, id_product_attribute, id_shop, id_shop_group, quantity, physical_quantity) values
	(1, 1, 0, 1, 0, 9, 9), (2, 1, 11, 1, 0, 4, 4), (3, 1, 12, 1, 0, 5, 5), (4, 2, 0, 1, 0, 7, 7), (5, 3, 0, 1, 0, 0, 0), (6, 2, 0, 2, 0, 70, 70);
