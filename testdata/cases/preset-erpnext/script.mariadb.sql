-- on: mariadb
-- ERPNext 15: receipt, sales order, delivery, stock reconciliation and renamed item.

--> HEL-9 at Stores - AC: on_hand 7

-- commit: a purchase order is submitted
update `tabBin` set ordered_qty = 20, projected_qty = 27 where name = 'b1';
--> HEL-9 at Stores - AC: on_hand 7, incoming 20

-- commit: a part of it is received
insert into `tabStock Ledger Entry` values ('a2', 'HEL-9', 'Stores - AC', '2026-11-02', 'Purchase Receipt', 12, 19, 0);
update `tabBin` set actual_qty = 19, ordered_qty = 8, projected_qty = 27 where name = 'b1';
--> HEL-9 at Stores - AC: on_hand 19, incoming 8

-- commit: sales, production and a subcontractor ask for some, and a plan
update `tabBin` set reserved_qty = 5.5, reserved_stock = 5.5, reserved_qty_for_production = 2, reserved_qty_for_sub_contract = 1, reserved_qty_for_production_plan = 3, projected_qty = 15.5 where name = 'b1';
--> HEL-9 at Stores - AC: on_hand 19, committed 11.5, incoming 8

-- commit: the order is delivered
insert into `tabStock Ledger Entry` values ('a3', 'HEL-9', 'Stores - AC', '2026-11-03', 'Delivery Note', -5.5, 13.5, 0);
update `tabBin` set actual_qty = 13.5, reserved_qty = 0, reserved_stock = 0 where name = 'b1';
--> HEL-9 at Stores - AC: on_hand 13.5, committed 6, incoming 8

-- commit: a reconciliation sets what was counted
insert into `tabStock Ledger Entry` values ('a4', 'HEL-9', 'Stores - AC', '2026-11-04', 'Stock Reconciliation', 0, 12, 0);
update `tabBin` set actual_qty = 12, projected_qty = 14 where name = 'b1';
--> HEL-9 at Stores - AC: on_hand 12, committed 6, incoming 8

-- commit: another warehouse gets its first bin by a transfer
insert into `tabStock Ledger Entry` values ('a5', 'HEL-9', 'Stores - AC', '2026-11-05', 'Stock Entry', -2, 10, 0), ('a6', 'HEL-9', 'Transit - AC', '2026-11-05', 'Stock Entry', 2, 2, 0);
update `tabBin` set actual_qty = 10, projected_qty = 12 where name = 'b1';
insert into `tabBin` (name, item_code, warehouse, actual_qty, projected_qty) values ('b2', 'HEL-9', 'Transit - AC', 2, 2);
--> HEL-9 at Stores - AC: on_hand 10, committed 6, incoming 8
--> HEL-9 at Transit - AC: on_hand 2

-- commit: the item is renamed, which Frappe does in every table that names it
update `tabItem` set name = 'HEL-9/A', item_code = 'HEL-9/A' where name = 'HEL-9';
update `tabBin` set item_code = 'HEL-9/A' where item_code = 'HEL-9';
update `tabStock Ledger Entry` set item_code = 'HEL-9/A' where item_code = 'HEL-9';
--> HEL-9/A at Stores - AC: on_hand 10, committed 6, incoming 8
--> HEL-9/A at Transit - AC: on_hand 2

-- commit: values are posted anew
update `tabBin` set valuation_rate = 1.5, stock_value = 15, modified = now();
--> silence
