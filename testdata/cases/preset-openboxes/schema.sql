-- What the preset reads of OpenBoxes, and what OpenBoxes derives it from.
create table location (id char(38) not null primary key, name varchar(255), location_number varchar(255), parent_location_id char(38));
create table product (id char(38) not null primary key, product_code varchar(255), name varchar(255));
create table product_availability (
	id char(38) not null primary key, version bigint not null, location_id char(38), bin_location_id char(38), product_id char(38), product_code varchar(255),
	inventory_item_id char(38), lot_number varchar(255), bin_location_name varchar(255), quantity_on_hand int not null,
	quantity_allocated int, quantity_on_hold bigint, quantity_available_to_promise bigint, last_updated timestamp null);
create table transaction_entry (id int not null primary key, code varchar(20) not null, location_id char(38) not null, product_id char(38) not null, inventory_item_id char(38), quantity int not null);
create table picklist_item (id int not null primary key, location_id char(38) not null, product_id char(38) not null, inventory_item_id char(38) not null, quantity int not null, pending int not null);
create table hold (inventory_item_id char(38) not null primary key);
create index availability_location on product_availability (location_id);
insert into location values ('loc-1', 'Boston Depot', 'BOS', null), ('loc-2', 'Haiti Clinic', null, null);
insert into product values ('p-1', '10001', 'Gloves'), ('p-2', '10002', 'Masks');
insert into transaction_entry values (1, 'CREDIT', 'loc-1', 'p-1', 'lot-a', 100), (2, 'CREDIT', 'loc-2', 'p-1', 'lot-c', 5);
insert into product_availability values ('pa-1', 0, 'loc-1', 'bin-1', 'p-1', '10001', 'lot-a', 'A', 'BIN-1', 100, null, 0, 100, null), ('pa-2', 0, 'loc-2', null, 'p-1', '10001', 'lot-c', 'C', null, 5, 0, 0, 5, null);
