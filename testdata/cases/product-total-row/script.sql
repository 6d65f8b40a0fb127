-- on: postgres, mariadb
-- PrestaShop keeps a row for the product beside those of its variants, with their sum. It
-- counts only if there are no variants.

--> SHIRT-S at SHOP: on_hand 4
--> SHIRT-L at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7

-- commit: a variant is sold, and the total follows
update stock_available set quantity = 3 where id = 2;
update stock_available set quantity = 8 where id = 1;
--> SHIRT-S at SHOP: on_hand 3
--> SHIRT-L at SHOP: on_hand 5
--> BRK-1 at SHOP: on_hand 7

-- commit: a product gets variants
insert into product_attribute values (21, 'BRK-1-L');
update product set cache_default_attribute = 21 where id_product = 2;
insert into stock_available values (5, 2, 21, 7);
--> SHIRT-S at SHOP: on_hand 3
--> SHIRT-L at SHOP: on_hand 5
--> BRK-1-L at SHOP: on_hand 7

-- commit: and another loses them
delete from stock_available where id in (2, 3);
delete from product_attribute where id_product_attribute in (11, 12);
update product set cache_default_attribute = 0 where id_product = 1;
--> SHIRT at SHOP: on_hand 8
--> BRK-1-L at SHOP: on_hand 7

-- commit: a variant is called otherwise
update product_attribute set reference = 'BRK-1-LEFT' where id_product_attribute = 21;
--> SHIRT at SHOP: on_hand 8
--> BRK-1-LEFT at SHOP: on_hand 7
