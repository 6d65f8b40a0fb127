-- on: postgres, mariadb
-- Units of measure that stand in the row itself, or in a list that never changes.

--> nothing

-- commit: a box of four, a dozen, a piece
insert into receipt values (1, 'PLUG', 'BOX', 4, 1), (2, 'PLUG', 'DZN', 0, 1), (3, 'PLUG', 'PCE', 0, 1);
--> PLUG at DC1: on_hand 17

-- commit: the box holds six
update receipt set pack_qty = 6 where id = 1;
--> PLUG at DC1: on_hand 19

-- commit: a gross, in place of the dozen
update receipt set unit = 'GRO' where id = 2;
--> PLUG at DC1: on_hand 151

-- commit: a unit that nobody knows keeps what the row was
update receipt set unit = 'PAL' where id = 2;
--> as before
--> problem: rejected public.receipt [2]

-- commit: it was a dozen
update receipt set unit = 'DZN' where id = 2;
--> PLUG at DC1: on_hand 19
