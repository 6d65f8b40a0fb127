select sku, site as location, sum(qty) as on_hand from bin_stock group by sku, site
