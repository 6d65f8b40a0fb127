-- getInventoryAvailableByFacility, from the ledger: the differences of the items that count.
select i.product_id as sku, i.facility_id as location, sum(d.quantity_on_hand_diff) as on_hand, sum(d.quantity_on_hand_diff) - sum(d.available_to_promise_diff) as committed
from inventory_item i join inventory_item_detail d using (inventory_item_id)
where i.owner_party_id = 'Company' and i.facility_id is not null
and (i.status_id is null or i.status_id = 'INV_AVAILABLE' or i.status_id = 'INV_NS_RETURNED' or i.inventory_item_type_id = 'SERIALIZED_INV_ITEM') group by 1, 2
