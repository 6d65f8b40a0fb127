-- on: postgres
-- Odoo 17: receipt, reservation, shipment, count, transfer and rename, as its stock module writes them.

--> as the oracle says

-- commit: a receipt is confirmed
insert into stock_move values (1, 1, 1, 2, 8, 'assigned', 20, 20, 0, '2026-12-01'), (2, 4, 1, 2, 8, 'assigned', 5, 5, 0, '2026-12-01');
--> DISC-280 at WH: on_hand 12.5, incoming 20

-- commit: it arrives; the quant is locked, so that Odoo makes a second one
insert into stock_quant (id, product_id, company_id, location_id, quantity, reserved_quantity, in_date) values (6, 1, 1, 8, 20, 0, '2026-11-02');
update stock_quant set quantity = quantity - 20 where id = 3;
update stock_move set state = 'done', quantity = 20 where id = 1;
--> DISC-280 at WH: on_hand 32.5

-- commit: the quants are merged
update stock_quant set quantity = 30 where id = 1;
delete from stock_quant where id = 6;
--> as before

-- commit: a delivery is reserved in part
insert into stock_move values (3, 1, 1, 8, 3, 'partially_available', 40, 40, 30, '2026-12-02');
update stock_quant set reserved_quantity = 30 where id = 1;
--> DISC-280 at WH: on_hand 32.5, committed 30

-- commit: what is reserved is shipped, the rest is a backorder
update stock_quant set quantity = 0, reserved_quantity = 0 where id = 1;
insert into stock_quant (id, product_id, location_id, quantity, reserved_quantity, in_date) values (7, 1, 3, 30, 0, '2026-11-03');
update stock_move set state = 'done', product_qty = 30, product_uom_qty = 30 where id = 3;
insert into stock_move values (4, 1, 1, 8, 3, 'confirmed', 10, 10, 0, '2026-12-02');
--> DISC-280 at WH: on_hand 2.5

-- commit: a count finds 4 on the shelf
update stock_quant set quantity = 4, inventory_quantity = null where id = 2;
insert into stock_quant (id, product_id, company_id, location_id, quantity, reserved_quantity, in_date) values (8, 1, 1, 4, -1.5, 0, '2026-11-03');
delete from stock_quant where id = 1;
--> DISC-280 at WH: on_hand 4

-- commit: a transfer to the other warehouse is planned
insert into stock_move values (5, 1, 1, 9, 18, 'assigned', 3, 3, 0, '2026-12-03'), (6, 1, 1, 8, 9, 'assigned', 9, 9, 0, '2026-12-03');
update stock_quant set reserved_quantity = 3 where id = 2;
--> DISC-280 at WH: on_hand 4, committed 3
--> DISC-280 at CHI: incoming 3

-- commit: the article is renamed
update product_product set default_code = 'DISC-280X', write_date = now() where id = 1;
--> DISC-280X at WH: on_hand 4, committed 3
--> DISC-280X at CHI: incoming 3

-- commit: the shelf goes to the other warehouse
update stock_location set location_id = 18, parent_path = '17/18/9/', warehouse_id = 2 where id = 9;
--> DISC-280X at CHI: on_hand 4, committed 3
--> passing DISC-280X at WH: on_hand 4, committed 3, incoming 9
--> passing DISC-280X at CHI: on_hand 4, committed 3, incoming 3
--> passing DISC-280X at CHI: on_hand 4, committed 3, incoming 12
--> passing DISC-280X at CHI: incoming 12
--> passing DISC-280X at CHI: incoming 9
--> passing DISC-280X at CHI: on_hand 4, committed 3, incoming 9
--> as the oracle says

-- commit: what is on the way is cancelled, and nothing of it is left
update stock_move set state = 'cancel' where state <> 'done';
update stock_quant set reserved_quantity = 0 where id = 2;
--> DISC-280X at CHI: on_hand 4

-- commit: the warehouse gets another code
update stock_warehouse set code = 'ORD' where id = 2;
--> DISC-280X at ORD: on_hand 4

-- commit: a write that changes no stock
update stock_quant set write_date = now(), inventory_quantity = 7;
update stock_location set active = false where id = 4;
update product_template set name = '{"en_US": "Disc"}';
--> silence
