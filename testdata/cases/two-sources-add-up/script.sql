-- on: erp=postgres wms=mariadb
-- Two systems count different parts of one stock, which the configuration says is to be
-- added up.

--> BRK-1 at DC1: on_hand 20

-- commit in wms: a receipt
update stock set qty = 12;
--> BRK-1 at DC1: on_hand 22

-- commit in erp: a sale at the counter
update stock set qty = 9;
--> BRK-1 at DC1: on_hand 21

-- commit in wms: all of it goes over to the other system
delete from stock;
--> BRK-1 at DC1: on_hand 9

-- commit in erp: as that says
update stock set qty = 21;
--> BRK-1 at DC1: on_hand 21
