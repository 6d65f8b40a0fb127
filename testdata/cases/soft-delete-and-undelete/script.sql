-- on: postgres, mariadb
-- Rows are marked as deleted and come back. Others are archived, and counted in vain.

--> BRK-1 at DC1: on_hand 11

-- commit: deleted softly
update stock set deleted_at = '2026-11-27 08:00:00' where id = 2;
--> BRK-1 at DC1: on_hand 5

-- commit: what is deleted changes
update stock set qty = 60 where id = 2;
--> silence

-- commit: it is a mistake
update stock set deleted_at = null where id = 2;
--> BRK-1 at DC1: on_hand 65

-- commit: one comes out of the archive and another goes there
update stock set active = 1 - active where id in (1, 3);
--> BRK-1 at DC1: on_hand 60
--> BRK-2 at DC1: on_hand 7

-- commit: a deleted row goes for good
update stock set deleted_at = '2026-11-27 09:00:00' where id = 3;
delete from stock where id = 3;
--> BRK-1 at DC1: on_hand 60
