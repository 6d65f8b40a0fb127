-- on: postgres, mariadb
-- Bins stand in racks, racks at sites. A bin or a whole rack is moved, becomes a place
-- for scrap, or another site gets its name, and no row of the stock is touched.

--> BRK-1 at DC1: on_hand 33
--> BRK-1 at DC2: on_hand 1

-- commit: a bin goes to another rack
update place set parent_id = 6, parent_path = '5/6/4/' where id = 4;
--> BRK-1 at DC1: on_hand 13
--> BRK-1 at DC2: on_hand 21

-- commit: a rack goes to another site, with what stands in it
update place set parent_id = 5, parent_path = '5/2/' where id = 2;
update place set parent_path = '5/2/3/' where id = 3;
--> BRK-1 at DC2: on_hand 34

-- commit: it becomes a place for scrap
update place set kind = 'scrap' where id = 2;
--> BRK-1 at DC2: on_hand 21

-- commit: a bin goes from it to the place for scrap, and stock to a bin that counts
update place set parent_id = 7, parent_path = '5/7/3/' where id = 3;
update quant set place_id = 4 where id = 4;
--> BRK-1 at DC2: on_hand 24

-- commit: the site gets another name
update place set site = 'DC9' where id = 5;
--> BRK-1 at DC9: on_hand 24

-- commit: a rack becomes a site of its own
update place set site = 'DC3' where id = 6;
--> BRK-1 at DC3: on_hand 24

-- commit: and stands alone
update place set parent_id = null, parent_path = '6/' where id = 6;
update place set parent_path = '6/4/' where id = 4;
--> as before
