-- on: postgres, mariadb
-- Stock is picked into packing, packed into output and shipped: three moves, of which the
-- first is assigned at once and the others when what they need has come. What can be sold
-- falls once, when the pick is assigned.

--> nothing

-- commit: ten are received
insert into move values (1, 'BRK-1', 1, 2, 10, 'done');
--> BRK-1 at WH1: on_hand 10

-- commit: an order of four makes the chain
insert into move values (2, 'BRK-1', 2, 3, 4, 'assigned'), (3, 'BRK-1', 3, 4, 4, 'waiting'), (4, 'BRK-1', 4, 5, 4, 'waiting');
--> BRK-1 at WH1: on_hand 10, committed 4

-- commit: picked
update move set state = 'done' where id = 2;
update move set state = 'assigned' where id = 3;
--> as before

-- commit: three of four are packed, the rest later
update move set state = 'done', qty = 3 where id = 3;
insert into move values (5, 'BRK-1', 3, 4, 1, 'assigned');
update move set state = 'assigned' where id = 4;
--> as before

-- commit: the three are shipped
update move set state = 'done', qty = 3 where id = 4;
insert into move values (6, 'BRK-1', 4, 5, 1, 'waiting');
--> BRK-1 at WH1: on_hand 7, committed 1

-- commit: the fourth goes back into the storage
update move set state = 'cancelled' where id in (5, 6);
insert into move values (7, 'BRK-1', 3, 2, 1, 'done');
--> BRK-1 at WH1: on_hand 7

-- commit: the warehouse gets another name
update zone set warehouse = 'NORTH' where warehouse = 'WH1';
-- Moves out of it are read first, those into it behind them.
--> passing BRK-1 at NORTH: on_hand -3
--> passing BRK-1 at WH1: on_hand 10
--> BRK-1 at NORTH: on_hand 7
