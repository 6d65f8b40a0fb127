-- on: postgres, mariadb
-- A quantity that is NULL is not zero: it was never counted. What it means stands in the
-- mapping: here a reel without a length does not count, nothing reserved is none, and a
-- reel without a place stands in the yard.

--> CABLE at DC1: on_hand 100

-- commit: the second is measured
update reel set qty = 40.5, reserved = 2 where id = 2;
--> CABLE at DC1: on_hand 140.5, committed 2

-- commit: and the first is not sure any more
update reel set qty = null where id = 1;
--> CABLE at DC1: on_hand 40.5, committed 2

-- commit: nobody knows where it is
update reel set site = null where id = 2;
--> CABLE at YARD: on_hand 40.5, committed 2

-- commit: nor what it is, so that it stays what it was
update reel set sku = null where id = 2;
--> as before
--> problem: rejected public.reel [2]

-- commit: a reel that nobody knows and nobody measured
insert into reel values (3, null, null, null, null);
--> as before

-- commit: it is found
update reel set sku = 'CABLE', site = 'DC1' where id = 2;
--> CABLE at DC1: on_hand 40.5, committed 2
