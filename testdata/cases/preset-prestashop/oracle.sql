-- What PrestaShop sells by is quantity, and physical_quantity what is there. A row for the
-- whole product counts if the product has no combinations.
select case when a.reference <> '' then a.reference else p.reference end as sku, 'SHOP' as location, s.physical_quantity as on_hand, s.physical_quantity - s.quantity as committed
from shop_stock_available s join shop_product p on p.id_product = s.id_product
left join shop_product_attribute a on a.id_product_attribute = s.id_product_attribute
where s.id_shop = 1 and (a.id_product_attribute is not null or s.id_product_attribute = 0 and not exists (select 1 from shop_product_attribute v where v.id_product = s.id_product))
