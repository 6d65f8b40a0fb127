-- on: mariadb
-- Dolibarr: receipt, order, shipment, correction, a warehouse that closes, and a renamed article.

--> PINK-DRESS at WH1: on_hand 10

-- commit: goods arrive, and Dolibarr adds them up in three places
insert into llx_stock_mouvement values (10, 1, 1, 5, 3, 'reception'), (11, 1, 2, 2.5, 3, 'reception');
update llx_product_stock set reel = reel + 5 where rowid = 1;
update llx_product_stock set reel = 2.5 where rowid = 4;
update llx_product set stock = stock + 7.5 where rowid = 1;
--> PINK-DRESS at WH1: on_hand 15
--> PINK-DRESS at WH2: on_hand 2.5

-- commit: a draft is written, with a service and a line without an article
insert into llx_commande (rowid, ref, fk_statut) values (1, '(PROV1)', 0);
insert into llx_commandedet values (1, 1, 1, 0, 6), (2, 1, 2, 1, 1), (3, 1, null, 0, 3);
--> as before

-- commit: it is validated
update llx_commande set fk_statut = 1, ref = 'CO-1' where rowid = 1;
--> PINK-DRESS at WH1: on_hand 15
--> PINK-DRESS at WH2: on_hand 2.5
--> PINK-DRESS at ORDERS: committed 6

-- commit: a shipment of a part is prepared
insert into llx_expedition (rowid, ref, fk_statut) values (1, '(PROV1)', 0);
insert into llx_expeditiondet values (1, 1, 'commande', 1, 1, 4);
update llx_commande set fk_statut = 2 where rowid = 1;
--> as before

-- commit: it is validated, which takes it out of the stock
update llx_expedition set fk_statut = 1, ref = 'SH-1' where rowid = 1;
insert into llx_stock_mouvement values (12, 1, 1, -4, 2, 'shipment');
update llx_product_stock set reel = 11 where rowid = 1;
--> PINK-DRESS at WH1: on_hand 11
--> PINK-DRESS at WH2: on_hand 2.5
--> PINK-DRESS at ORDERS: committed 2

-- commit: something else is sent as well, which is of no order
insert into llx_expeditiondet values (7, 1, 'product', 1, 1, 3), (8, 1, 'commande', 0, 1, 3);
--> as before

-- commit: the rest is sent, and the order closed
insert into llx_expedition (rowid, ref, fk_statut) values (2, 'SH-2', 2);
insert into llx_expeditiondet values (2, 2, 'commande', 1, 1, 2);
insert into llx_stock_mouvement values (13, 1, 1, -2, 2, 'shipment');
update llx_product_stock set reel = 9 where rowid = 1;
update llx_commande set fk_statut = 3 where rowid = 1;
--> PINK-DRESS at WH1: on_hand 9
--> PINK-DRESS at WH2: on_hand 2.5
--> passing PINK-DRESS at ORDERS: committed -2
--> passing PINK-DRESS at ORDERS: committed -4
--> passing PINK-DRESS at ORDERS: committed -6

-- commit: a count corrects the stock
insert into llx_stock_mouvement values (14, 1, 1, -1, 1, 'correction');
update llx_product_stock set reel = 8 where rowid = 1;
--> PINK-DRESS at WH1: on_hand 8
--> PINK-DRESS at WH2: on_hand 2.5

-- commit: a warehouse is closed, and another opened
update llx_entrepot set statut = 0 where rowid = 2;
update llx_entrepot set statut = 1 where rowid = 3;
--> PINK-DRESS at WH1: on_hand 8
--> PINK-DRESS at OLD: on_hand 4

-- commit: the article is renamed
update llx_product set ref = 'PINK-DRESS-2' where rowid = 1;
--> PINK-DRESS-2 at WH1: on_hand 8
--> PINK-DRESS-2 at OLD: on_hand 4

-- commit: only a total changes
update llx_product set stock = 12 where rowid = 1;
--> silence
