-- on: postgres, mariadb
-- iDempiere keeps stock by product, place and lot, which are the key; all of it changes.

--> BRK-1 at HQ: on_hand 18
--> BRK-2 at HQ: on_hand 8

-- commit: a lot moves to another place
update storage_on_hand set locator = 'A-3' where product = 'BRK-1' and lot = 1;
--> silence

-- commit: a lot turns out to be another product
update storage_on_hand set product = 'BRK-2', lot = 9 where product = 'BRK-1' and locator = 'A-3';
--> BRK-1 at HQ: on_hand 12
--> BRK-2 at HQ: on_hand 14

-- commit: two rows exchange their keys
update storage_on_hand set lot = 100 where product = 'BRK-1' and locator = 'A-1';
update storage_on_hand set locator = 'A-1' where product = 'BRK-1' and locator = 'A-2';
update storage_on_hand set locator = 'A-2', lot = 0 where product = 'BRK-1' and lot = 100;
update storage_on_hand set qty = qty + 1 where product = 'BRK-1' and locator = 'A-2';
--> BRK-1 at HQ: on_hand 13
--> BRK-2 at HQ: on_hand 14

-- commit: a key that was there before, with another quantity
delete from storage_on_hand where product = 'BRK-1' and locator = 'A-1';
insert into storage_on_hand values ('A-1', 'BRK-1', 0, 1);
--> BRK-1 at HQ: on_hand 7
--> BRK-2 at HQ: on_hand 14

-- commit: all lots of a product
delete from storage_on_hand where product = 'BRK-2';
--> BRK-1 at HQ: on_hand 7
