-- on: postgres
-- A nightly job empties a table and fills it anew, in one transaction.

--> BRK-1 at DC1: on_hand 5
--> BRK-2 at DC1: on_hand 7

-- commit: filled as it was
truncate stock;
insert into stock values (1, 'BRK-1', 5), (2, 'BRK-2', 7);
--> as before

-- commit: with what has changed
update stock set qty = 99;
truncate stock;
insert into stock values (2, 'BRK-1', 6), (3, 'BRK-3', 1);
--> BRK-1 at DC1: on_hand 6
--> BRK-3 at DC1: on_hand 1

-- commit: emptied for good
truncate stock;
--> nothing
