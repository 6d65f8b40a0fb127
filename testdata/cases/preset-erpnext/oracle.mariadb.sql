-- The balance after the last entry of the ledger, what ERPNext calls projected, and
-- what is ordered: committed is what stands between them.
select b.item_code as sku, b.warehouse as location,
	(select e.qty_after_transaction from `tabStock Ledger Entry` e where e.item_code = b.item_code and e.warehouse = b.warehouse and e.is_cancelled = 0
		order by e.posting_datetime desc, e.name desc limit 1) as on_hand,
	(select e.qty_after_transaction from `tabStock Ledger Entry` e where e.item_code = b.item_code and e.warehouse = b.warehouse and e.is_cancelled = 0
		order by e.posting_datetime desc, e.name desc limit 1) + b.ordered_qty + b.indented_qty + b.planned_qty - b.projected_qty as committed,
	b.ordered_qty as incoming
from `tabBin` b
