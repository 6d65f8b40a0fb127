-- on: postgres
-- OFBiz: receipt, reservation and its reassignment, shipment, a count, a serialized item, an item on hold.

--> GZ-1000 at WebStoreWarehouse: on_hand 10

-- commit: goods are received as an item of their own
insert into inventory_item (inventory_item_id, inventory_item_type_id, product_id, owner_party_id, status_id, facility_id, quantity_on_hand_total, available_to_promise_total) values ('9010', 'NON_SERIAL_INV_ITEM', 'GZ-1000', 'Company', 'INV_AVAILABLE', 'WebStoreWarehouse', 0, 0);
insert into inventory_item_detail values ('9010', '1', now(), 6.5, 6.5, null);
update inventory_item set quantity_on_hand_total = 6.5, available_to_promise_total = 6.5 where inventory_item_id = '9010';
--> GZ-1000 at WebStoreWarehouse: on_hand 16.5

-- commit: an order reserves more than one item has
insert into inventory_item_detail values ('9000', '2', now(), 0, -12, 'WS10000');
update inventory_item set available_to_promise_total = -2 where inventory_item_id = '9000';
--> GZ-1000 at WebStoreWarehouse: on_hand 16.5, committed 12

-- commit: all reservations are given back and made again
insert into inventory_item_detail values ('9000', '3', now(), 0, 12, 'WS10000'), ('9000', '4', now(), 0, -10, 'WS10000'), ('9010', '2', now(), 0, -2, 'WS10000');
update inventory_item set available_to_promise_total = 10 where inventory_item_id = '9000';
update inventory_item set available_to_promise_total = 0 where inventory_item_id = '9000';
update inventory_item set available_to_promise_total = 4.5 where inventory_item_id = '9010';
--> as before

-- commit: it is shipped
insert into inventory_item_detail values ('9000', '5', now(), -10, 0, 'WS10000'), ('9010', '3', now(), -2, 0, 'WS10000');
update inventory_item set quantity_on_hand_total = 0 where inventory_item_id = '9000';
update inventory_item set quantity_on_hand_total = 4.5 where inventory_item_id = '9010';
--> GZ-1000 at WebStoreWarehouse: on_hand 4.5

-- commit: a count finds one less
insert into inventory_item_detail values ('9010', '4', now(), -1, -1, null);
update inventory_item set quantity_on_hand_total = 3.5, available_to_promise_total = 3.5 where inventory_item_id = '9010';
--> GZ-1000 at WebStoreWarehouse: on_hand 3.5

-- commit: a serialized item is delivered to us, and promised
insert into inventory_item (inventory_item_id, inventory_item_type_id, product_id, owner_party_id, status_id, facility_id, serial_number, quantity_on_hand_total, available_to_promise_total) values ('9020', 'SERIALIZED_INV_ITEM', 'SER-1', 'Company', 'INV_PROMISED', 'WebStoreWarehouse', 'S1', 1, 0);
insert into inventory_item_detail values ('9020', '1', now(), 1, 0, null);
--> GZ-1000 at WebStoreWarehouse: on_hand 3.5
--> SER-1 at WebStoreWarehouse: on_hand 1, committed 1

-- commit: an item is put on hold
update inventory_item set status_id = 'INV_NS_ON_HOLD' where inventory_item_id = '9010';
--> SER-1 at WebStoreWarehouse: on_hand 1, committed 1

-- commit: the product is given another id in all items, and what was on hold comes back
update inventory_item set product_id = 'GZ-1001', status_id = null where inventory_item_id = '9010';
--> GZ-1001 at WebStoreWarehouse: on_hand 3.5
--> SER-1 at WebStoreWarehouse: on_hand 1, committed 1

-- commit: OFBiz touches its stamps
update inventory_item set last_updated_stamp = now();
--> silence
