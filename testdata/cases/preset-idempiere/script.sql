-- on: postgres
-- iDempiere: purchase and receipt, sales order, shipment, count, a locator that changes its type, rename.

--> Oak at HQ: on_hand 34, unavailable 4

-- commit: a purchase order is completed
insert into m_storagereservation (m_product_id, m_warehouse_id, m_attributesetinstance_id, issotrx, ad_client_id, ad_org_id, qty) values (123, 103, 0, 'N', 11, 11, 20);
--> Oak at HQ: on_hand 34, unavailable 4, incoming 20

-- commit: it arrives in two lots
insert into m_storageonhand (m_product_id, m_locator_id, m_attributesetinstance_id, datematerialpolicy, ad_client_id, ad_org_id, qtyonhand) values
	(123, 101, 501, '2026-11-10', 11, 11, 12), (123, 101, 502, '2026-11-10', 11, 11, 8);
update m_storagereservation set qty = 0 where issotrx = 'N';
--> Oak at HQ: on_hand 54, unavailable 4

-- commit: a sales order is completed
insert into m_storagereservation (m_product_id, m_warehouse_id, m_attributesetinstance_id, issotrx, ad_client_id, ad_org_id, qty) values (123, 103, 0, 'Y', 11, 11, 15), (900, 103, 0, 'Y', 12, 0, 7);
--> Oak at HQ: on_hand 54, committed 15, unavailable 4

-- commit: it is shipped, and a bit more than there was of one lot
update m_storageonhand set qtyonhand = -1 where m_attributesetinstance_id = 501;
update m_storageonhand set qtyonhand = 28 where m_attributesetinstance_id = 0 and m_locator_id = 101 and m_product_id = 123;
update m_storagereservation set qty = 0 where issotrx = 'Y' and m_product_id = 123;
--> Oak at HQ: on_hand 39, unavailable 4

-- commit: a count mends that, and the lot goes
delete from m_storageonhand where m_attributesetinstance_id = 501;
update m_storageonhand set qtyonhand = 26.5, datelastinventory = now() where m_attributesetinstance_id = 0 and m_locator_id = 101 and m_product_id = 123;
--> Oak at HQ: on_hand 38.5, unavailable 4

-- commit: the returns become a shelf
update m_locator set m_locatortype_id = 200002 where m_locator_id = 102;
--> Oak at HQ: on_hand 38.5

-- commit: shelves cannot be reserved any more
update m_locatortype set isavailableforreservation = 'N' where m_locatortype_id = 200002;
--> Oak at HQ: on_hand 38.5, unavailable 4

-- commit: the product is renamed
update m_product set value = 'Oak-2' where m_product_id = 123;
--> Oak-2 at HQ: on_hand 38.5, unavailable 4

-- commit: a row gets another key when its lot is dated otherwise
update m_storageonhand set datematerialpolicy = '2026-11-11' where m_attributesetinstance_id = 502;
--> as before

-- commit: the warehouse is renamed, and only dates change besides
update m_warehouse set value = 'HQ-1' where m_warehouse_id = 103;
update m_storageonhand set updated = now() + interval '1 day';
--> Oak-2 at HQ-1: on_hand 38.5, unavailable 4
