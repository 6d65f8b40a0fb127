with recursive up as (
	select id, site, parent_id, kind = 'scrap' as scrap from place
	union all
	select u.id, coalesce(u.site, p.site), p.parent_id, u.scrap or p.kind = 'scrap' from up u join place p on p.id = u.parent_id)
select q.sku, u.site as location, sum(q.qty) as on_hand
from quant q join up u on u.id = q.place_id and u.parent_id is null
where not u.scrap group by 1, 2
