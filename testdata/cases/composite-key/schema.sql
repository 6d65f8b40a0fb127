create table storage_on_hand (locator varchar(20) not null, product varchar(40) not null, lot int not null, qty decimal(12,3) not null, primary key (product, locator, lot));
insert into storage_on_hand values ('A-1', 'BRK-1', 0, 5), ('A-1', 'BRK-1', 1, 6), ('A-2', 'BRK-1', 0, 7), ('A-1', 'BRK-2', 0, 8);
