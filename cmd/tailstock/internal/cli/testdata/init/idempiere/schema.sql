-- PostgreSQL. The tables of iDempiere by which it is known, with one client beside the system's.
CREATE SCHEMA adempiere;
SET search_path = adempiere;
CREATE TABLE m_product (m_product_id numeric(10,0) PRIMARY KEY, value varchar(255) NOT NULL, upc varchar(30), sku varchar(30));
CREATE TABLE m_warehouse (m_warehouse_id numeric(10,0) PRIMARY KEY, value varchar(40) NOT NULL);
CREATE TABLE m_locatortype (m_locatortype_id numeric(10,0) PRIMARY KEY, isavailableforreservation char(1));
CREATE TABLE m_locator (m_locator_id numeric(10,0) PRIMARY KEY, m_warehouse_id numeric(10,0) NOT NULL, m_locatortype_id numeric(10,0));
CREATE TABLE m_storageonhand (
    ad_client_id numeric(10,0) NOT NULL, ad_org_id numeric(10,0) NOT NULL, isactive char(1) NOT NULL, m_product_id numeric(10,0) NOT NULL, m_locator_id numeric(10,0) NOT NULL,
    m_attributesetinstance_id numeric(10,0) NOT NULL, datematerialpolicy timestamp NOT NULL, qtyonhand numeric NOT NULL,
    PRIMARY KEY (m_product_id, m_locator_id, m_attributesetinstance_id, datematerialpolicy));
CREATE TABLE m_storagereservation (
    ad_client_id numeric(10,0) NOT NULL, ad_org_id numeric(10,0) NOT NULL, isactive char(1) NOT NULL, m_product_id numeric(10,0) NOT NULL, m_warehouse_id numeric(10,0) NOT NULL,
    m_attributesetinstance_id numeric(10,0) NOT NULL, issotrx char(1) NOT NULL, qty numeric NOT NULL, PRIMARY KEY (m_product_id, m_warehouse_id, m_attributesetinstance_id, issotrx));
INSERT INTO m_product VALUES (1, 'Azalea', NULL, NULL);
INSERT INTO m_warehouse VALUES (1, 'HQ');
INSERT INTO m_locator VALUES (1, 1, NULL);
INSERT INTO m_storageonhand VALUES (11, 0, 'Y', 1, 1, 0, '2026-01-01', 40);
INSERT INTO m_storagereservation VALUES (11, 0, 'Y', 1, 1, 0, 'Y', 3);
