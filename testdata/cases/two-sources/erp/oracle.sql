select sku, site as location, sum(qty) as committed from order_line group by sku, site
