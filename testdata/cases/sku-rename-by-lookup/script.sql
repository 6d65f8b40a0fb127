-- on: postgres, mariadb
-- store: postgres
-- The number of an article stands in one row and that of its brand in another. When
-- they are changed, the rows of the stock are not.

--> ATE-100 at DC1: on_hand 9
--> ATE-100 at DC2: on_hand 1
--> ATE-100 at WEB: committed 2
--> ATE-200 at DC1: on_hand 7

-- commit: an article gets another number
update product set part_no = '100.1' where id = 1;
--> ATE-100.1 at DC1: on_hand 9
--> ATE-100.1 at DC2: on_hand 1
--> ATE-100.1 at WEB: committed 2
--> ATE-200 at DC1: on_hand 7

-- commit: and stock moves in the same transaction
-- What the transaction itself changed comes with it, the others are read behind it.
update product set part_no = '101' where id = 1;
update bin_stock set qty = qty - 1 where id = 2;
insert into bin_stock values (5, 1, 'DC2', 1);
--> passing ATE-100.1 at DC1: on_hand 4
--> passing ATE-101 at DC1: on_hand 4
--> passing ATE-101 at DC2: on_hand 1
--> ATE-101 at DC1: on_hand 8
--> ATE-101 at DC2: on_hand 2
--> ATE-101 at WEB: committed 2
--> ATE-200 at DC1: on_hand 7

-- commit: the brand is renamed
update brand set name = 'CONTI' where id = 1;
--> CONTI-101 at DC1: on_hand 8
--> CONTI-101 at DC2: on_hand 2
--> CONTI-101 at WEB: committed 2
--> CONTI-200 at DC1: on_hand 7

-- commit: two articles become one
update product set part_no = '200' where id = 1;
--> CONTI-200 at DC1: on_hand 15
--> CONTI-200 at DC2: on_hand 2
--> CONTI-200 at WEB: committed 2

-- commit: renamed and back again
update product set part_no = 'x' where id = 1;
update product set part_no = '200' where id = 1;
--> silence

-- commit: numbers are exchanged
update product set part_no = '101' where id = 1;
update product set part_no = '100' where id = 2;
--> CONTI-101 at DC1: on_hand 8
--> CONTI-101 at DC2: on_hand 2
--> CONTI-101 at WEB: committed 2
--> CONTI-100 at DC1: on_hand 7
