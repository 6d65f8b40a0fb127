-- on: mariadb
-- OpenBoxes: receipt, pick, shipment, a count that sets quantities, a lot on hold, and renames.

--> 10001 at BOS: on_hand 100
--> 10001 at Haiti Clinic: on_hand 5

-- commit: another lot arrives
insert into transaction_entry values (3, 'CREDIT', 'loc-1', 'p-1', 'lot-b', 40);
insert into product_availability values ('pa-3', 0, 'loc-1', 'bin-2', 'p-1', '10001', 'lot-b', 'B', 'BIN-2', 40, 0, 0, 40, null);
--> 10001 at BOS: on_hand 140
--> 10001 at Haiti Clinic: on_hand 5

-- commit: a requisition is picked
insert into picklist_item values (1, 'loc-1', 'p-1', 'lot-a', 30, 1);
update product_availability set quantity_allocated = 30, quantity_available_to_promise = 70 where id = 'pa-1';
--> 10001 at BOS: on_hand 140, committed 30
--> 10001 at Haiti Clinic: on_hand 5

-- commit: it is issued
update picklist_item set pending = 0;
insert into transaction_entry values (4, 'DEBIT', 'loc-1', 'p-1', 'lot-a', 30);
update product_availability set quantity_on_hand = 70, quantity_allocated = 0, quantity_available_to_promise = 70 where id = 'pa-1';
--> 10001 at BOS: on_hand 110
--> 10001 at Haiti Clinic: on_hand 5

-- commit: one lot is counted, which sets it
insert into transaction_entry values (5, 'INVENTORY', 'loc-1', 'p-1', 'lot-a', 68);
update product_availability set quantity_on_hand = 68, quantity_available_to_promise = 68 where id = 'pa-1';
--> 10001 at BOS: on_hand 108
--> 10001 at Haiti Clinic: on_hand 5

-- commit: all lots are counted, and one is gone
insert into transaction_entry values (6, 'PRODUCT_INVENTORY', 'loc-1', 'p-1', 'lot-b', 39);
delete from product_availability where location_id = 'loc-1';
insert into product_availability values ('pa-4', 0, 'loc-1', 'bin-2', 'p-1', '10001', 'lot-b', 'B', 'BIN-2', 39, 0, 0, 39, null);
--> 10001 at BOS: on_hand 39
--> 10001 at Haiti Clinic: on_hand 5

-- commit: the lot is recalled
insert into hold values ('lot-b');
update product_availability set quantity_on_hold = 39, quantity_available_to_promise = 0 where id = 'pa-4';
--> 10001 at BOS: on_hand 39, unavailable 39
--> 10001 at Haiti Clinic: on_hand 5

-- commit: a product is renamed, with the refresh that follows
update product set product_code = '10001-M' where id = 'p-1';
update product_availability set product_code = '10001-M' where product_id = 'p-1';
--> 10001-M at BOS: on_hand 39, unavailable 39
--> 10001-M at Haiti Clinic: on_hand 5

-- commit: a location gets a number
update location set location_number = 'HTI' where id = 'loc-2';
--> 10001-M at BOS: on_hand 39, unavailable 39
--> 10001-M at HTI: on_hand 5

-- commit: a refresh finds nothing new
update product_availability set last_updated = '2026-11-05', version = version + 1;
--> silence
