-- qty_available and outgoing_qty of product.product by warehouse, with all owners.
with inside as (
	select l.id, w.id as warehouse, w.code from stock_location l
	join stock_warehouse w on true join stock_location v on v.id = w.view_location_id and l.parent_path like v.parent_path || '%')
select p.barcode as sku, i.code as location, sum(q.quantity) as on_hand, 0 as committed
from stock_quant q join inside i on i.id = q.location_id join product_product p on p.id = q.product_id
where p.barcode is not null group by 1, 2
union all
select p.barcode, s.code, 0, sum(m.product_qty)
from stock_move m join inside s on s.id = m.location_id join product_product p on p.id = m.product_id
join product_template t on t.id = p.product_tmpl_id and t.is_storable
where m.state in ('waiting', 'confirmed', 'assigned', 'partially_available') and p.barcode is not null
and not exists (select from inside d where d.id = m.location_dest_id and d.warehouse = s.warehouse) group by 1, 2
