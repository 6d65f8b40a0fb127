-- on: postgres
-- Odoo 18, with everything that is to leave committed, owners' stock counted, and barcodes.

--> 4006633000017 at WH: on_hand 112.5
--> 4006633000024 at OTH: on_hand 50

-- commit: an order is confirmed that nothing is reserved for yet, and articles without a barcode arrive
insert into stock_move values (1, 1, 1, 8, 3, 'confirmed', 30, 30, 0, '2026-12-01'), (2, 4, 1, 8, 3, 'confirmed', 2, 2, 0, '2026-12-01'), (3, 2, 1, 8, 3, 'confirmed', 2, 2, 0, '2026-12-01');
insert into stock_quant (id, product_id, company_id, location_id, quantity, reserved_quantity, in_date) values (9, 2, 1, 8, 6, 0, '2026-11-02');
--> 4006633000017 at WH: on_hand 112.5, committed 30
--> 4006633000024 at OTH: on_hand 50

-- commit: it is reserved
update stock_quant set reserved_quantity = 10 where id = 1;
update stock_move set state = 'partially_available', quantity = 10 where id = 1;
--> as before

-- commit: it is shipped
update stock_quant set quantity = quantity - 10, reserved_quantity = 0 where id = 1;
update stock_move set state = 'done', product_qty = 10, quantity = 10 where id = 1;
--> 4006633000017 at WH: on_hand 102.5
--> 4006633000024 at OTH: on_hand 50

-- commit: an article gets a barcode
update product_product set barcode = '4006633000048' where id = 2;
--> 4006633000017 at WH: on_hand 102.5
--> 4006633000024 at OTH: on_hand 50
--> 4006633000048 at WH: on_hand 6, committed 2
--> passing 4006633000048 at WH: on_hand 6
--> passing 4006633000048 at WH: committed 2

-- commit: bags are kept in stock from now on
update product_template set is_storable = true where id = 3;
--> 4006633000017 at WH: on_hand 102.5
--> 4006633000024 at OTH: on_hand 50
--> 4006633000031 at WH: committed 2
--> 4006633000048 at WH: on_hand 6, committed 2
