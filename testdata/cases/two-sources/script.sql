-- on: erp=postgres wms=mariadb
-- on: erp=postgres wms=postgres
-- The warehouse system knows what is there, the ERP what is promised. Both count for one
-- level.

--> BRK-1 at DC1: on_hand 10, committed 4
--> BRK-2 at DC1: on_hand 1

-- commit in erp: an order for both
insert into order_line values (2, 'BRK-1', 'DC1', 1), (3, 'BRK-2', 'DC1', 1);
--> BRK-1 at DC1: on_hand 10, committed 5
--> BRK-2 at DC1: on_hand 1, committed 1

-- commit in wms: a receipt
update bin_stock set qty = qty + 10;
--> BRK-1 at DC1: on_hand 20, committed 5
--> BRK-2 at DC1: on_hand 11, committed 1

-- commit in wms: four are shipped
update bin_stock set qty = qty - 4 where sku = 'BRK-1';
--> BRK-1 at DC1: on_hand 16, committed 5
--> BRK-2 at DC1: on_hand 11, committed 1

-- commit in erp: and the ERP hears of it
delete from order_line where id = 1;
--> BRK-1 at DC1: on_hand 16, committed 1
--> BRK-2 at DC1: on_hand 11, committed 1

-- commit in wms: an article is gone from the warehouse
delete from bin_stock where sku = 'BRK-2';
--> BRK-1 at DC1: on_hand 16, committed 1
--> BRK-2 at DC1: committed 1
