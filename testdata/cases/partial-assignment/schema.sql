create table quant (id int primary key, sku varchar(40) not null, site varchar(20) not null, quantity int not null, reserved int not null);
create table stock_move (id int primary key, sku varchar(40) not null, site varchar(20) not null, demand int not null, assigned int not null, state varchar(20) not null);
insert into quant values (1, 'BRK-1', 'DC1', 3, 0);
