-- on: postgres
-- Tryton and others book moves ahead. Until its day a move is announced, from then on it
-- counts, and that day comes without a commit.

--> BRK-1 at DC1: on_hand 10, incoming 5
--> BRK-2 at DC1: on_hand 3

-- commit: another that is far ahead
insert into stock_move values (4, 'BRK-2', 'DC1', 1, '2099-12-31');
--> BRK-1 at DC1: on_hand 10, incoming 5
--> BRK-2 at DC1: on_hand 3, incoming 1

-- commit: the first comes in a moment, after which nothing is committed
update stock_move set moved_on = (clock_timestamp() at time zone 'UTC') + interval '1 second' where id = 2;
--> BRK-1 at DC1: on_hand 15
--> BRK-2 at DC1: on_hand 3, incoming 1

-- commit: it is put off after all
update stock_move set moved_on = '2099-12-01' where id = 2;
--> BRK-1 at DC1: on_hand 10, incoming 5
--> BRK-2 at DC1: on_hand 3, incoming 1

-- commit: and back into the past, where another is as well
update stock_move set moved_on = '2021-01-01' where id = 2;
update stock_move set moved_on = '2020-02-01' where id = 1;
--> BRK-1 at DC1: on_hand 15
--> BRK-2 at DC1: on_hand 3, incoming 1

-- commit: nobody knows when, and one is cancelled
update stock_move set moved_on = null where id = 4;
delete from stock_move where id = 2;
--> BRK-1 at DC1: on_hand 10
--> BRK-2 at DC1: on_hand 4

-- commit: two that come in a moment, one of which leaves
insert into stock_move values (5, 'BRK-1', 'DC1', 7, (clock_timestamp() at time zone 'UTC') + interval '1 second'), (6, 'BRK-1', 'DC1', -7, (clock_timestamp() at time zone 'UTC') + interval '1 second'), (7, 'BRK-3', 'DC1', 2, (clock_timestamp() at time zone 'UTC') + interval '1 second');
--> passing BRK-3 at DC1: incoming 2
--> passing BRK-1 at DC1: on_hand 17, incoming -7
--> passing BRK-1 at DC1: on_hand 3, incoming 7
--> BRK-1 at DC1: on_hand 10
--> BRK-2 at DC1: on_hand 4
--> BRK-3 at DC1: on_hand 2
