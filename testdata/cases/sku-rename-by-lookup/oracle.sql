select concat(b.name, '-', p.part_no) as sku, s.site as location, s.qty as on_hand, 0 as committed
from bin_stock s join product p on p.id = s.product_id join brand b on b.id = p.brand_id
union all
select concat(b.name, '-', p.part_no), 'WEB', 0, l.qty
from order_line l join product p on p.id = l.product_id join brand b on b.id = p.brand_id
