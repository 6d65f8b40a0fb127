-- on: mariadb
-- PrestaShop: delivery, order, shipment, a count, combinations that come and go, and renames.

--> SHIRT-S at SHOP: on_hand 4
--> SHIRT at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7

-- commit: goods arrive
update shop_stock_available set quantity = quantity + 10, physical_quantity = physical_quantity + 10 where id_stock_available in (1, 2);
--> SHIRT-S at SHOP: on_hand 14
--> SHIRT at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7

-- commit: an order takes some, and more than there is of another
update shop_stock_available set quantity = quantity - 3, reserved_quantity = 3 where id_stock_available in (1, 2);
update shop_stock_available set quantity = -1, reserved_quantity = 8 where id_stock_available = 4;
--> SHIRT-S at SHOP: on_hand 14, committed 3
--> SHIRT at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7, committed 8

-- commit: it is shipped
update shop_stock_available set physical_quantity = physical_quantity - 3, reserved_quantity = 0 where id_stock_available in (1, 2);
--> SHIRT-S at SHOP: on_hand 11
--> SHIRT at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7, committed 8

-- commit: a count finds one less
update shop_stock_available set quantity = 10, physical_quantity = 10 where id_stock_available = 2;
update shop_stock_available set quantity = 15, physical_quantity = 15 where id_stock_available = 1;
--> SHIRT-S at SHOP: on_hand 10
--> SHIRT at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7, committed 8

-- commit: a product gets a combination
insert into shop_product_attribute values (21, 2, 'BRK-1-L', 1);
update shop_product set cache_default_attribute = 21 where id_product = 2;
insert into shop_stock_available (id_stock_available, id_product, id_product_attribute, id_shop, id_shop_group, quantity, physical_quantity, reserved_quantity) values (7, 2, 21, 1, 0, -1, 7, 8);
--> SHIRT-S at SHOP: on_hand 10
--> SHIRT at SHOP: on_hand 5
--> BRK-1-L at SHOP: on_hand 7, committed 8

-- commit: and another loses them
delete from shop_stock_available where id_stock_available in (2, 3);
delete from shop_product_attribute where id_product = 1;
update shop_product set cache_default_attribute = 0 where id_product = 1;
--> SHIRT at SHOP: on_hand 15
--> BRK-1-L at SHOP: on_hand 7, committed 8
--> passing SHIRT at SHOP: nothing

-- commit: stock is left over of what was deleted, a product and a combination
insert into shop_stock_available (id_stock_available, id_product, id_product_attribute, id_shop, id_shop_group, quantity, physical_quantity) values (8, 99, 0, 1, 0, 3, 3), (9, 2, 98, 1, 0, 4, 4);
--> as before

-- commit: a combination loses its reference, and is called as the product is
update shop_product_attribute set reference = '' where id_product_attribute = 21;
--> SHIRT at SHOP: on_hand 15
--> BRK-1 at SHOP: on_hand 7, committed 8

-- commit: which is renamed
update shop_product set reference = 'BRK-2' where id_product = 2;
--> SHIRT at SHOP: on_hand 15
--> BRK-2 at SHOP: on_hand 7, committed 8

-- commit: PrestaShop touches what is no stock
update shop_product set date_upd = '2026-11-05';
update shop_stock_available set out_of_stock = 2;
--> silence
