-- The real stock by warehouse from the movements, and of the virtual stock what orders
-- take from it: ordered less sent, for orders that are validated or being sent.
select p.ref as sku, w.ref as location, sum(m.value) as on_hand, 0 as committed
from llx_stock_mouvement m join llx_product p on p.rowid = m.fk_product join llx_entrepot w on w.rowid = m.fk_entrepot
where w.statut = 1 and p.entity in (1, 3) group by p.ref, w.ref
union all
select p.ref, 'ORDERS', 0, sum(d.qty - coalesce((
	select sum(ed.qty) from llx_expeditiondet ed join llx_expedition e on e.rowid = ed.fk_expedition where ed.fk_elementdet = d.rowid and ed.element_type = 'commande' and e.fk_statut in (1, 2)), 0))
from llx_commandedet d join llx_commande c on c.rowid = d.fk_commande join llx_product p on p.rowid = d.fk_product
where c.fk_statut in (1, 2) and p.entity in (1, 3) and p.fk_product_type = 0 group by p.ref
