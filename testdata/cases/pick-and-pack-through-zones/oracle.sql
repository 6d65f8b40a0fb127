select m.sku, z.warehouse as location, sum(m.sign * m.qty) as on_hand,
	sum(case when z.kind = 'storage' then 0 else m.sign * m.qty end) as committed
from (select sku, from_zone as zone, -1 as sign, qty, state from move union all select sku, to_zone, 1, qty, state from move) m
join zone z on z.id = m.zone where m.state = 'done' and z.warehouse is not null group by 1, 2
union all
select m.sku, z.warehouse, 0, m.qty from move m join zone z on z.id = m.from_zone where m.state = 'assigned' and z.kind = 'storage'
