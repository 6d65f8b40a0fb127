-- The stock of the warehouse, computed from its rows with nothing but SQL: what
-- configs/demo.yaml must come to. One row per part and hall that any row speaks of.
SELECT part_no, hall, CAST(SUM(on_hand) AS char), CAST(SUM(committed) AS char), CAST(SUM(unavailable) AS char)
FROM (
    SELECT part_no, hall, qty AS on_hand, 0 AS committed, CASE WHEN `status` = 'inspect' THEN qty ELSE 0 END AS unavailable
    FROM `tabBin Stock` WHERE `status` <> 'void'
    UNION ALL
    SELECT part_no, hall, 0, qty, 0 FROM `order` WHERE done = 0
) c
GROUP BY part_no, hall
