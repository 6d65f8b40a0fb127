-- on: postgres, mariadb
-- Odoo and Tryton insert an article without a code and give it one when its form is
-- saved, in the same transaction; importers write rows before what they refer to.

--> nothing

-- commit: inserted without a code, and given one
insert into product (id, code) values (1, null);
insert into quant values (1, 1, 'DC1', 5);
update product set code = 'BRK-1' where id = 1;
--> BRK-1 at DC1: on_hand 5

-- commit: the quant stands before its article
insert into quant values (2, 2, 'DC1', 3);
insert into product (id, code) values (2, 'BRK-2');
--> BRK-1 at DC1: on_hand 5
--> BRK-2 at DC1: on_hand 3

-- commit: an article that is not there yet
insert into quant values (3, 3, 'DC1', 8);
--> BRK-1 at DC1: on_hand 5
--> BRK-2 at DC1: on_hand 3
--> problem: unresolved public.quant [3]

-- commit: arrives without a code
insert into product (id, code) values (3, null);
--> BRK-1 at DC1: on_hand 5
--> BRK-2 at DC1: on_hand 3
--> problem: rejected public.quant [3]

-- commit: and is given one
update product set code = 'BRK-3' where id = 3;
--> BRK-1 at DC1: on_hand 5
--> BRK-2 at DC1: on_hand 3
--> BRK-3 at DC1: on_hand 8

-- commit: a column that no mapping names
update product set write_date = 1;
--> silence
