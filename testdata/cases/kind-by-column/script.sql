-- on: postgres, mariadb
-- iDempiere tells reservations for customers from orders to suppliers by a letter, others
-- what is blocked from what is not.

--> BRK-1 at DC1: on_hand 20, committed 3, incoming 50

-- commit: part of the stock is blocked
update stock_line set qty = 18 where id = 1;
insert into stock_line values (4, 'BRK-1', 'DC1', 2, 'blocked', ' ');
--> BRK-1 at DC1: on_hand 20, committed 3, unavailable 2, incoming 50

-- commit: the order is received
update stock_line set kind = 'stock', issotrx = ' ' where id = 3;
--> BRK-1 at DC1: on_hand 70, committed 3, unavailable 2

-- commit: what is blocked is set free, and something else asked for
update stock_line set kind = 'stock' where id = 4;
update stock_line set issotrx = 'N' where id = 2;
--> BRK-1 at DC1: on_hand 70, incoming 3

-- commit: a kind that the mapping does not count
update stock_line set kind = 'note' where id in (1, 2);
--> BRK-1 at DC1: on_hand 52
