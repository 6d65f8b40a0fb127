-- What the preset reads of OFBiz, and the ledger that its totals come from.
create table inventory_item (
	inventory_item_id varchar(20) not null primary key, inventory_item_type_id varchar(20), product_id varchar(20), party_id varchar(20), owner_party_id varchar(20),
	status_id varchar(20), facility_id varchar(20), location_seq_id varchar(20), lot_id varchar(20), uom_id varchar(20),
	quantity_on_hand_total numeric(18,6), available_to_promise_total numeric(18,6), serial_number varchar(255), last_updated_stamp timestamptz);
create table inventory_item_detail (
	inventory_item_id varchar(20) not null, inventory_item_detail_seq_id varchar(20) not null, effective_date timestamptz,
	quantity_on_hand_diff numeric(18,6), available_to_promise_diff numeric(18,6), order_id varchar(20), primary key (inventory_item_id, inventory_item_detail_seq_id));
insert into inventory_item (inventory_item_id, inventory_item_type_id, product_id, owner_party_id, facility_id, quantity_on_hand_total, available_to_promise_total) values
	('9000', 'NON_SERIAL_INV_ITEM', 'GZ-1000', 'Company', 'WebStoreWarehouse', 10, 10), ('9001', 'NON_SERIAL_INV_ITEM', 'GZ-1000', 'Supplier', 'WebStoreWarehouse', 99, 99),
	('9002', 'NON_SERIAL_INV_ITEM', 'GZ-1000', 'Company', null, 5, 5);
insert into inventory_item_detail values ('9000', '1', null, 10, 10, null), ('9001', '1', null, 99, 99, null), ('9002', '1', null, 5, 5, null);
