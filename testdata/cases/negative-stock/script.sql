-- on: postgres, mariadb
-- ERPs let stock go below zero, when goods are shipped before their receipt is booked.
-- Levels say so, and are right again when it is.

--> BRK-1 at DC1: on_hand 2

-- commit: five are shipped where two are
update stock set qty = qty - 5 where id = 1;
--> BRK-1 at DC1: on_hand -3

-- commit: three of these are found elsewhere at the site
insert into stock values (2, 'BRK-1', 'DC1', 3, 0);
--> nothing

-- commit: more is promised than is there
update stock set reserved = 4.5 where id = 1;
--> BRK-1 at DC1: committed 4.5

-- commit: a booking the wrong way round
update stock set reserved = -4.5 where id = 1;
--> BRK-1 at DC1: committed -4.5

-- commit: the receipt is booked
update stock set qty = 7, reserved = 0 where id = 1;
delete from stock where id = 2;
--> BRK-1 at DC1: on_hand 7
