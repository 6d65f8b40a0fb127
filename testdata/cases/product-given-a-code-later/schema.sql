create table product (id int primary key, code varchar(40), write_date int);
create table quant (id int primary key, product_id int not null, site varchar(20) not null, qty int not null);
create index quant_product_id on quant (product_id);
