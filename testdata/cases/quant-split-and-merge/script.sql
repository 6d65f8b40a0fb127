-- on: postgres, mariadb
-- Odoo splits a quant when a part of it gets another owner or lot, and merges quants
-- that have become the same. What is there for the customer stays.

--> BRK-1 at DC1: on_hand 10, committed 4

-- commit: four of ten go to a lot of their own
update quant set quantity = 6, reserved = 0 where id = 1;
insert into quant values (2, 'BRK-1', 'DC1', 4, 4);
--> as before

-- commit: a third, of which one is shipped
insert into quant values (3, 'BRK-1', 'DC1', 1, 1);
update quant set quantity = 2, reserved = 2 where id = 2;
--> BRK-1 at DC1: on_hand 9, committed 3

-- commit: all become one again
update quant set quantity = 9, reserved = 3 where id = 2;
delete from quant where id in (1, 3);
--> as before

-- commit: one is received
update quant set quantity = quantity + 1 where id = 2;
--> BRK-1 at DC1: on_hand 10, committed 3
