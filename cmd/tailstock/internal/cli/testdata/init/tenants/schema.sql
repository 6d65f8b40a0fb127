-- PostgreSQL. Several companies in the same tables, keys of two columns everywhere, flags as letters.
CREATE TABLE item_master (company_id integer NOT NULL, item_no varchar(20) NOT NULL, descr text, PRIMARY KEY (company_id, item_no));
CREATE TABLE inventory (
    company_id integer NOT NULL, item_no varchar(20) NOT NULL, whse char(4) NOT NULL, qty_on_hand numeric(12,3) NOT NULL, is_active char(1) NOT NULL DEFAULT 'Y',
    stock_status char(2) NOT NULL DEFAULT 'OK', updated_at timestamp, PRIMARY KEY (company_id, item_no, whse, stock_status),
    FOREIGN KEY (company_id, item_no) REFERENCES item_master);
CREATE TABLE purchase_order_line (
    company_id integer NOT NULL, po_no integer NOT NULL, line_no integer NOT NULL, item_no varchar(20) NOT NULL, whse char(4) NOT NULL,
    qty_ordered numeric(12,3) NOT NULL, qty_received numeric(12,3) NOT NULL DEFAULT 0, status text NOT NULL, PRIMARY KEY (company_id, po_no, line_no));
INSERT INTO item_master VALUES (1, 'X-1', 'x'), (1, 'X-2', 'y'), (2, 'X-1', 'other');
INSERT INTO inventory VALUES (1, 'X-1', 'W1', 6, 'Y', 'OK'), (1, 'X-1', 'W1', 2, 'Y', 'QC'), (1, 'X-1', 'W2', 8, 'N', 'OK'), (2, 'X-1', 'W1', 99, 'Y', 'OK'), (1, 'X-2', 'W1', 1, 'Y', 'OK');
INSERT INTO purchase_order_line VALUES (1, 7, 1, 'X-1', 'W1', 10, 4, 'open'), (1, 7, 2, 'X-1', 'W1', 3, 3, 'closed');
