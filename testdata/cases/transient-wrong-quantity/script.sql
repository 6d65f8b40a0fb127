-- on: postgres, mariadb
-- Programs write what is not so and correct it before they commit: they set a quantity
-- to zero and count it up again, or move a row to another article and back.

--> BRK-1 at DC1: on_hand 10
--> BRK-2 at DC1: on_hand 5

-- commit: recalculated from zero
update stock set qty = 0 where id = 1;
update stock set qty = qty + 7 where id = 1;
update stock set qty = qty + 2 where id = 1;
--> BRK-1 at DC1: on_hand 9
--> BRK-2 at DC1: on_hand 5

-- commit: recalculated to what it was
update stock set qty = -1;
update stock set qty = 9 where id = 1;
update stock set qty = 5 where id = 2;
--> silence

-- commit: under a wrong article for a moment
update stock set sku = 'BRK-9' where id = 2;
update stock set sku = 'BRK-2', qty = 6 where id = 2;
--> BRK-1 at DC1: on_hand 9
--> BRK-2 at DC1: on_hand 6

-- commit: quantities are exchanged over a third row
insert into stock values (3, 'TEMP', 'DC1', 9);
update stock set qty = 6 where id = 1;
update stock set qty = 9 where id = 2;
delete from stock where id = 3;
--> BRK-1 at DC1: on_hand 6
--> BRK-2 at DC1: on_hand 9
