create table place (id int primary key, parent_id int, kind text not null, site text, parent_path text not null);
create table quant (id int primary key, sku text not null, place_id int not null, qty int not null);
create index quant_place_id on quant (place_id);
insert into place values
	(1, null, 'view', 'DC1', '1/'), (2, 1, 'rack', null, '1/2/'), (3, 2, 'bin', null, '1/2/3/'), (4, 2, 'bin', null, '1/2/4/'),
	(5, null, 'view', 'DC2', '5/'), (6, 5, 'rack', null, '5/6/'), (7, 5, 'scrap', null, '5/7/');
insert into quant values (1, 'BRK-1', 3, 10), (2, 'BRK-1', 4, 20), (3, 'BRK-1', 6, 1), (4, 'BRK-1', 2, 3);
