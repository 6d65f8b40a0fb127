-- on: postgres, mariadb
-- OpenBoxes rebuilds its table of balances by deleting and inserting rows, which get new
-- keys each time. Nobody may see that there is nothing in between.

--> BRK-1 at DC1: on_hand 11
--> BRK-2 at DC1: on_hand 7

-- commit: rebuilt as it was
delete from product_availability;
insert into product_availability values (11, 'BRK-1', 'DC1', 5), (12, 'BRK-1', 'DC1', 6), (13, 'BRK-2', 'DC1', 7);
--> silence

-- commit: rebuilt with what has changed, one row fewer
delete from product_availability;
insert into product_availability values (21, 'BRK-1', 'DC1', 10), (22, 'BRK-2', 'DC1', 8);
--> BRK-1 at DC1: on_hand 10
--> BRK-2 at DC1: on_hand 8

-- commit: rebuilt with keys that others had
delete from product_availability;
insert into product_availability values (22, 'BRK-1', 'DC1', 10), (21, 'BRK-2', 'DC1', 9);
--> BRK-1 at DC1: on_hand 10
--> BRK-2 at DC1: on_hand 9

-- commit: one article alone
delete from product_availability where sku = 'BRK-2';
insert into product_availability values (31, 'BRK-2', 'DC1', 4), (32, 'BRK-2', 'DC2', 1);
--> BRK-1 at DC1: on_hand 10
--> BRK-2 at DC1: on_hand 4
--> BRK-2 at DC2: on_hand 1
