-- PostgreSQL. The table of OFBiz by which it is known.
CREATE TABLE inventory_item (
    inventory_item_id varchar(20) PRIMARY KEY, inventory_item_type_id varchar(20), product_id varchar(20), facility_id varchar(20), owner_party_id varchar(20), status_id varchar(20),
    quantity_on_hand_total numeric(18,6), available_to_promise_total numeric(18,6));
INSERT INTO inventory_item VALUES ('9000', 'NON_SERIAL_INV_ITEM', 'GZ-1000', 'WebStoreWarehouse', 'Company', NULL, 10, 8);
