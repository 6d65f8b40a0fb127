select sku, site as location, qty as on_hand from stock
