-- on: postgres
-- Where the number of an article is its key, a rename changes all rows that refer to it,
-- by a foreign key that cascades.

--> HEL-8 at Stores: on_hand 1
--> HEL-9 at Stores: on_hand 7
--> HEL-9 at Yard: on_hand 2

-- commit: renamed
update item set name = 'HEL-9B' where name = 'HEL-9';
--> HEL-8 at Stores: on_hand 1
--> HEL-9B at Stores: on_hand 7
--> HEL-9B at Yard: on_hand 2

-- commit: two become one
update bin set item_code = 'HEL-8' where item_code = 'HEL-9B';
delete from item where name = 'HEL-9B';
--> HEL-8 at Stores: on_hand 8
--> HEL-8 at Yard: on_hand 2
