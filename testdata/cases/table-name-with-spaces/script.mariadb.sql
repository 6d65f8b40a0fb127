-- on: mariadb
-- Frappe names tables after what they hold, as people say it.

--> HEL-9 at Stores - AC: on_hand 4

-- commit: a draft
insert into `tabStock Entry Detail` values ('b b', 'HEL-9', 'Stores - AC', 2.5, 0);
--> silence

-- commit: is submitted
update `tabStock Entry Detail` set docstatus = 1 where name = 'b b';
--> HEL-9 at Stores - AC: on_hand 6.5

-- commit: and cancelled
update `tabStock Entry Detail` set docstatus = 2 where name = 'b b';
--> HEL-9 at Stores - AC: on_hand 4

-- commit: deleted, with another
delete from `tabStock Entry Detail`;
--> nothing
