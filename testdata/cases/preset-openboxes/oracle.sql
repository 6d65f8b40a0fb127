-- The ledger walked as OpenBoxes does: the last INVENTORY of a lot, or PRODUCT_INVENTORY
-- of its product, sets the quantity, and what comes behind adds to it.
with lots as (select distinct location_id, product_id, inventory_item_id from transaction_entry where inventory_item_id is not null),
reset as (
	select l.location_id, l.product_id, l.inventory_item_id, max(e.id) as id
	from lots l left join transaction_entry e on e.location_id = l.location_id and e.product_id = l.product_id
		and (e.code = 'PRODUCT_INVENTORY' or e.code = 'INVENTORY' and e.inventory_item_id = l.inventory_item_id)
	group by l.location_id, l.product_id, l.inventory_item_id),
counted as (
	select r.location_id, r.product_id, r.inventory_item_id, sum(case when e.code = 'DEBIT' then -e.quantity else e.quantity end) as quantity
	from reset r join transaction_entry e on e.location_id = r.location_id and e.product_id = r.product_id
		and e.inventory_item_id = r.inventory_item_id and e.id >= coalesce(r.id, 0)
	group by r.location_id, r.product_id, r.inventory_item_id)
select p.product_code as sku, coalesce(l.location_number, l.name) as location, c.quantity as on_hand,
	coalesce((select sum(i.quantity) from picklist_item i where i.pending = 1 and i.location_id = c.location_id and i.inventory_item_id = c.inventory_item_id), 0) as committed,
	case when exists (select 1 from hold h where h.inventory_item_id = c.inventory_item_id) then c.quantity else 0 end as unavailable
from counted c join product p on p.id = c.product_id join location l on l.id = c.location_id
