-- on: postgres, mariadb
-- An order's state stands in its header. Lines are not touched when it is cancelled.

--> BRK-1 at DC1: committed 4
--> BRK-2 at DC1: committed 1

-- commit: the draft is confirmed
update orders set state = 'open' where id = 2;
--> BRK-1 at DC1: committed 14
--> BRK-2 at DC1: committed 1

-- commit: the first is cancelled
update orders set state = 'cancelled' where id = 1;
--> BRK-1 at DC1: committed 10

-- commit: and opened again, while a line is shipped
update orders set state = 'open' where id = 1;
update order_line set shipped = 1 where order_id = 1 and line = 2;
--> BRK-1 at DC1: committed 14

-- commit: it is to leave from another site
update orders set site = 'DC2' where id = 2;
--> BRK-1 at DC1: committed 4
--> BRK-1 at DC2: committed 10

-- commit: an order with its lines in one transaction, lines first
insert into order_line (order_id, line, sku, qty) values (3, 1, 'BRK-3', 2);
insert into orders values (3, 'open', 'DC1');
--> BRK-1 at DC1: committed 4
--> BRK-1 at DC2: committed 10
--> BRK-3 at DC1: committed 2

-- commit: deleted, lines first
delete from order_line where order_id = 1;
delete from orders where id = 1;
--> BRK-1 at DC2: committed 10
--> BRK-3 at DC1: committed 2

-- commit: cancelled and opened in one transaction
update orders set state = 'cancelled';
update orders set state = 'open';
--> silence
