-- iDempiere's own view of its storage by warehouse, and what its MStorageOnHand leaves
-- out of what can be reserved.
select p.value as sku, w.value as location, sum(s.qtyonhand) as on_hand, sum(s.qtyreserved) as committed, sum(s.qtyordered) as incoming,
	sum(s.qtyonhand) - sum(case when t.isavailableforreservation is null or t.isavailableforreservation = 'Y' then s.qtyonhand else 0 end) as unavailable
from m_storage s join m_product p on p.m_product_id = s.m_product_id join m_locator l on l.m_locator_id = s.m_locator_id
join m_warehouse w on w.m_warehouse_id = l.m_warehouse_id left join m_locatortype t on t.m_locatortype_id = l.m_locatortype_id
where s.ad_client_id = 11 group by 1, 2
