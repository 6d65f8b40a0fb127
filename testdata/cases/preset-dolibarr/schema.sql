-- What the preset reads of Dolibarr 20.
create table llx_product (rowid int not null primary key, ref varchar(128) not null, entity int not null default 1, fk_product_type int default 0, stock double precision, barcode varchar(180), tms timestamp null);
create table llx_entrepot (rowid int not null primary key, ref varchar(255) not null, entity int not null default 1, statut smallint default 1, fk_parent int default 0);
create table llx_product_stock (rowid int not null primary key, tms timestamp null, fk_product int not null, fk_entrepot int not null, reel double precision, unique (fk_product, fk_entrepot));
create table llx_stock_mouvement (rowid int not null primary key, fk_product int not null, fk_entrepot int not null, value double precision, type_mouvement smallint, label varchar(255));
create table llx_commande (rowid int not null primary key, ref varchar(30) not null, entity int not null default 1, fk_statut smallint default 0);
create table llx_commandedet (rowid int not null primary key, fk_commande int not null, fk_product int, product_type int default 0, qty double precision);
create table llx_expedition (rowid int not null primary key, ref varchar(30) not null, entity int not null default 1, fk_statut smallint default 0);
create table llx_expeditiondet (rowid int not null primary key, fk_expedition int not null, element_type varchar(50) not null default 'commande', fk_elementdet int, fk_entrepot int, qty double precision);
create index stock_entrepot on llx_product_stock (fk_entrepot);
create index line_product on llx_commandedet (fk_product);
create index line_order on llx_commandedet (fk_commande);
create index shipped_line on llx_expeditiondet (fk_elementdet);
create index shipped_with on llx_expeditiondet (fk_expedition);
insert into llx_product (rowid, ref, entity, fk_product_type, stock) values (1, 'PINK-DRESS', 1, 0, 0), (2, 'SERVICE-1', 1, 1, 0), (3, 'ELSEWHERE', 2, 0, 0);
insert into llx_entrepot (rowid, ref, statut) values (1, 'WH1', 1), (2, 'WH2', 1), (3, 'OLD', 0);
insert into llx_stock_mouvement values (1, 1, 1, 10, 0, 'initial'), (2, 1, 3, 4, 0, 'initial'), (3, 3, 1, 7, 0, 'initial');
insert into llx_product_stock values (1, null, 1, 1, 10), (2, null, 1, 3, 4), (3, null, 3, 1, 7), (4, null, 1, 2, null);
