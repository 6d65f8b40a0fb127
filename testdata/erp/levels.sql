-- The stock of the ERP, computed from its rows with nothing but SQL: what
-- configs/demo.yaml must come to. One row per part and site that any row speaks of.
SELECT sku, location,
    trim_scale(sum(on_hand)) AS on_hand, trim_scale(sum(committed)) AS committed,
    trim_scale(sum(unavailable)) AS unavailable, trim_scale(sum(safety_stock)) AS safety_stock,
    trim_scale(sum(incoming)) AS incoming
FROM (
    SELECT part_no, site, qty, 0::numeric, CASE WHEN bin_type = 'QC' THEN qty ELSE 0 END, 0::numeric, 0::numeric
    FROM bin_stock WHERE bin_type <> 'VOID'
    UNION ALL
    SELECT part_no, site, 0, 0, 0, min_stock, 0 FROM part_site
    UNION ALL
    SELECT part_no, site, 0, qty - qty_shipped, 0, 0, 0 FROM order_line WHERE status IN ('open', 'picking')
    UNION ALL
    SELECT part_no, from_site, 0, qty, 0, 0, 0 FROM transfer WHERE status = 'requested'
    UNION ALL
    SELECT part_no, to_site, 0, 0, 0, 0, qty FROM transfer WHERE status = 'in_transit'
    UNION ALL
    SELECT part_no, site, 0, qty, 0, 0, 0 FROM basket
) c (sku, location, on_hand, committed, unavailable, safety_stock, incoming)
GROUP BY sku, location
