-- on: mariadb
-- Tables and columns that are called as words of SQL are, or of the mapping language.

--> BRK-1 at DC1: on_hand 5

-- commit: another row
insert into `order` values (2, 3, 'BRK-1', 'DC1', 1, 1, 'A'), (3, 2, 'BRK-2', 'DC1', 0, 1, 'A'), (4, 2, 'BRK-2', 'DC1', 1, 1, 'B');
--> BRK-1 at DC1: on_hand 8, committed 1

-- commit: changed
update `order` set `left` = 4, `Group` = 'A', `null` = 2 where `select` in (2, 4);
--> BRK-1 at DC1: on_hand 9, committed 2
--> BRK-2 at DC1: on_hand 4, committed 2

-- commit: deleted
delete from `order` where `in` = 'BRK-1';
--> BRK-2 at DC1: on_hand 4, committed 2
