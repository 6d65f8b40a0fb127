-- qty_available, the reserved quantity and incoming_qty of product.product by warehouse,
-- as Odoo asks for them: what is in locations below a warehouse's view location.
with inside as (
	select l.id, w.id as warehouse, w.code from stock_location l
	join stock_warehouse w on w.company_id = 1 join stock_location v on v.id = w.view_location_id and l.parent_path like v.parent_path || '%')
select p.default_code as sku, i.code as location, sum(q.quantity) as on_hand, sum(q.reserved_quantity) as committed, 0 as incoming
from stock_quant q join inside i on i.id = q.location_id join product_product p on p.id = q.product_id
where q.owner_id is null group by 1, 2
union all
select p.default_code, d.code, 0, 0, sum(m.product_qty)
from stock_move m join inside d on d.id = m.location_dest_id join product_product p on p.id = m.product_id
join product_template t on t.id = p.product_tmpl_id and t.type = 'product'
where m.state in ('waiting', 'confirmed', 'assigned', 'partially_available')
and not exists (select from inside s where s.id = m.location_id and s.warehouse = d.warehouse) group by 1, 2
