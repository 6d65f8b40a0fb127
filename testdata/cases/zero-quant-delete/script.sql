-- on: postgres, mariadb
-- Odoo leaves quants of nothing behind, and removes them later, in a commit of another
-- user, when nothing in the stock changes any more.

--> BRK-1 at DC1: on_hand 5
--> BRK-2 at DC1: on_hand 1

-- commit: what the first quant has is shipped
update quant set quantity = 0 where id = 1;
--> BRK-1 at DC1: on_hand 3
--> BRK-2 at DC1: on_hand 1

-- commit: quants of nothing are removed
delete from quant where quantity = 0;
--> as before

-- commit: the last of an article is shipped
update quant set quantity = 0 where id = 3;
--> BRK-1 at DC1: on_hand 3

-- commit: and its quant removed
delete from quant where quantity = 0;
--> as before

-- commit: a quant that comes and goes in one transaction
insert into quant values (4, 'BRK-3', 'DC1', 7);
delete from quant where id = 4;
--> silence
