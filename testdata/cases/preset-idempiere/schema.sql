-- What the preset reads of iDempiere, with its keys.
create table m_product (m_product_id numeric(10) not null primary key, ad_client_id numeric(10) not null, value varchar(40) not null, upc varchar(30), sku varchar(30), name varchar(255) not null, updated timestamp not null default now());
create table m_warehouse (m_warehouse_id numeric(10) not null primary key, ad_client_id numeric(10) not null, ad_org_id numeric(10) not null, value varchar(40) not null, name varchar(60) not null, m_reservelocator_id numeric(10), isdisallownegativeinv char(1) not null default 'N');
create table m_locatortype (m_locatortype_id numeric(10) not null primary key, name varchar(60) not null, isavailableforreservation char(1) not null default 'Y');
create table m_locator (m_locator_id numeric(10) not null primary key, m_warehouse_id numeric(10) not null references m_warehouse, value varchar(40) not null, m_locatortype_id numeric(10) references m_locatortype);
create table m_storageonhand (
	m_product_id numeric(10) not null, m_locator_id numeric(10) not null, m_attributesetinstance_id numeric(10) not null, datematerialpolicy timestamp not null,
	ad_client_id numeric(10) not null, ad_org_id numeric(10) not null, isactive char(1) not null default 'Y', qtyonhand numeric not null default 0,
	datelastinventory timestamp, updated timestamp not null default now(), m_storageonhand_uu varchar(36),
	primary key (m_product_id, m_locator_id, m_attributesetinstance_id, datematerialpolicy));
create table m_storagereservation (
	m_product_id numeric(10) not null, m_warehouse_id numeric(10) not null, m_attributesetinstance_id numeric(10) not null, issotrx char(1) not null default 'Y',
	ad_client_id numeric(10) not null, ad_org_id numeric(10) not null, isactive char(1) not null default 'Y', qty numeric not null default 0,
	datelastinventory timestamp, updated timestamp not null default now(), m_storagereservation_uu varchar(36),
	primary key (m_product_id, m_warehouse_id, issotrx, m_attributesetinstance_id));
create view m_storage as
	select s.m_product_id, s.m_locator_id, s.ad_client_id, s.qtyonhand, 0 as qtyreserved, 0 as qtyordered from m_storageonhand s
	union all select r.m_product_id, w.m_reservelocator_id, r.ad_client_id, 0, r.qty, 0 from m_storagereservation r join m_warehouse w on w.m_warehouse_id = r.m_warehouse_id where r.issotrx = 'Y'
	union all select r.m_product_id, w.m_reservelocator_id, r.ad_client_id, 0, 0, r.qty from m_storagereservation r join m_warehouse w on w.m_warehouse_id = r.m_warehouse_id where r.issotrx = 'N';
create index on m_storageonhand (m_locator_id);
create index on m_storagereservation (m_warehouse_id);
insert into m_product (m_product_id, ad_client_id, value, name) values (123, 11, 'Oak', 'Oak Tree'), (124, 11, 'Elm', 'Elm Tree'), (900, 12, 'Oak', 'Of another tenant');
insert into m_warehouse values (103, 11, 11, 'HQ', 'HQ Warehouse', 101, 'N'), (104, 11, 12, 'Store', 'Store Central', 105, 'N');
insert into m_locatortype values (200001, 'Damaged', 'N'), (200002, 'Shelf', 'Y');
insert into m_locator values (101, 103, 'Default', null), (102, 103, 'Returns', 200001), (105, 104, 'Store', 200002);
insert into m_storageonhand (m_product_id, m_locator_id, m_attributesetinstance_id, datematerialpolicy, ad_client_id, ad_org_id, qtyonhand) values
	(123, 101, 0, '2026-11-01', 11, 11, 30), (123, 102, 0, '2026-11-01', 11, 11, 4), (900, 101, 0, '2026-11-01', 12, 0, 99);
