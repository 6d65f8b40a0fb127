with recursive up as (
	select id, site, parent_id, kind = 'scrap' as scrap from place
	union all
	select u.id, coalesce(u.site, p.site), p.parent_id, u.scrap or p.kind = 'scrap' from up u join place p on p.id = u.parent_id),
counted as (
	select q.product_id, u.site as location, coalesce(q.qty, 0) as on_hand, 0 as committed
	from quant q join up u on u.id = q.place_id and u.parent_id is null where not u.scrap and q.product_id is not null
	union all
	select l.product_id, 'WEB', 0, l.qty from line l join orders o on o.id = l.order_id where o.state = 'open')
select concat(coalesce(b.name, 'NONE'), '-', coalesce(p.code, 'NEW')) as sku, c.location, sum(c.on_hand) as on_hand, sum(c.committed) as committed
from counted c left join product p on p.id = c.product_id left join brand b on b.id = p.brand_id group by 1, 2
