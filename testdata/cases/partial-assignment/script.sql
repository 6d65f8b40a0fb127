-- on: postgres, mariadb
-- An order of five finds three: these are assigned, the rest when more comes. What is
-- committed is what was assigned, not what was asked for.

--> BRK-1 at DC1: on_hand 3

-- commit: an order of five
insert into stock_move values (1, 'BRK-1', 'DC1', 5, 0, 'waiting');
--> BRK-1 at DC1: on_hand 3

-- commit: three are assigned
update stock_move set assigned = 3, state = 'partial' where id = 1;
update quant set reserved = 3 where id = 1;
--> BRK-1 at DC1: on_hand 3, committed 3

-- commit: four are received, two of which are for the order
update quant set quantity = 7, reserved = 5 where id = 1;
update stock_move set assigned = 5, state = 'assigned' where id = 1;
--> BRK-1 at DC1: on_hand 7, committed 5

-- commit: four are shipped, and the move is split for the rest
update quant set quantity = 3, reserved = 1 where id = 1;
update stock_move set demand = 4, assigned = 4, state = 'done' where id = 1;
insert into stock_move values (2, 'BRK-1', 'DC1', 1, 1, 'assigned');
--> BRK-1 at DC1: on_hand 3, committed 1

-- commit: the rest is given back
update stock_move set assigned = 0, state = 'cancelled' where id = 2;
update quant set reserved = 0 where id = 1;
--> BRK-1 at DC1: on_hand 3
