select coalesce(a.reference, p.reference) as sku, 'SHOP' as location, s.quantity as on_hand
from stock_available s join product p using (id_product) left join product_attribute a using (id_product_attribute)
where s.id_product_attribute <> 0 or not exists (select 1 from stock_available v where v.id_product = s.id_product and v.id_product_attribute <> 0)
