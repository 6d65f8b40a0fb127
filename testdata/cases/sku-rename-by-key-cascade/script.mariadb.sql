-- on: mariadb
-- Frappe renames an article by updating every table that refers to it, and gives the rows
-- that are named after it new keys.

--> HEL-8 at Stores: on_hand 1
--> HEL-9 at Stores: on_hand 7
--> HEL-9 at Yard: on_hand 2

-- commit: renamed
update item set name = 'HEL-9B' where name = 'HEL-9';
update bin set item_code = 'HEL-9B' where item_code = 'HEL-9';
update bin set name = 'b1-new' where name = 'b1';
--> HEL-8 at Stores: on_hand 1
--> HEL-9B at Stores: on_hand 7
--> HEL-9B at Yard: on_hand 2

-- commit: merged into another, whose row takes the quantity
update bin set actual_qty = actual_qty + 7 where name = 'b3';
delete from bin where name = 'b1-new';
update bin set item_code = 'HEL-8' where name = 'b2';
delete from item where name = 'HEL-9B';
--> HEL-8 at Stores: on_hand 8
--> HEL-8 at Yard: on_hand 2
