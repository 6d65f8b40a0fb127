-- on: postgres, mariadb
-- Articles are received by the dozen and sold by the piece. The shop sells pieces, so
-- moves are counted in these, each rounded once.

--> PLUG-4 at DC1: on_hand 29

-- commit: a dozen is sold, and a piece
insert into stock_move values (3, 'PLUG-4', 'DC1', 2, -1), (4, 'PLUG-4', 'DC1', 1, -1);
--> PLUG-4 at DC1: on_hand 16

-- commit: half a dozen comes back
insert into stock_move values (5, 'PLUG-4', 'DC1', 2, 0.5);
--> PLUG-4 at DC1: on_hand 22

-- commit: a third of a set of three
insert into stock_move values (6, 'PAD-3', 'DC1', 3, 1), (7, 'PAD-3', 'DC1', 3, 1), (8, 'PAD-3', 'DC1', 3, 1);
--> PLUG-4 at DC1: on_hand 22
--> PAD-3 at DC1: on_hand 0.999999

-- commit: which were three sets in truth
update stock_move set qty = 3 where uom_id = 3;
--> PLUG-4 at DC1: on_hand 22
--> PAD-3 at DC1: on_hand 3

-- commit: someone mends the dozen, which was a baker's
update uom set numerator = 13 where id = 2;
--> PLUG-4 at DC1: on_hand 23.5
--> PAD-3 at DC1: on_hand 3
