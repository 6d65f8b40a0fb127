-- A small ERP of a dealer in auto parts: what Tailstock's demo follows, and what
-- docker-compose.yml brings up. It stands for software that belongs to somebody
-- else, so nothing in it was made for Tailstock: keys are natural or generated as
-- the application likes, part numbers are copied into the tables that move stock,
-- and the replica identity is PostgreSQL's default.

CREATE TABLE part (
    part_no     text PRIMARY KEY,               -- '0986494104', '34 11 6 794 300', 'A/C-17*'
    brand       text NOT NULL,
    description text NOT NULL,
    pack_qty    integer NOT NULL DEFAULT 1,
    list_price  numeric(12,2) NOT NULL
);

CREATE TABLE site (
    site text PRIMARY KEY,                      -- 'DC-NORTH', 'SHOP-04'
    kind text NOT NULL CHECK (kind IN ('warehouse', 'shop'))
);

-- What lies where. A part lies in several bins of a site; parts in a QC bin were
-- returned or came damaged and wait for inspection.
CREATE TABLE bin_stock (
    site       text NOT NULL REFERENCES site,
    bin        text NOT NULL,
    part_no    text NOT NULL REFERENCES part,
    bin_type   text NOT NULL CHECK (bin_type IN ('PICK', 'BULK', 'QC', 'VOID')),
    qty        numeric(12,3) NOT NULL CHECK (qty >= 0),
    note       text,
    counted_at timestamptz,
    PRIMARY KEY (site, bin, part_no)
);
CREATE INDEX bin_stock_part ON bin_stock (part_no, site);

-- The least that a site wants to keep for customers at the counter.
CREATE TABLE part_site (
    part_no   text NOT NULL REFERENCES part,
    site      text NOT NULL REFERENCES site,
    min_stock integer NOT NULL,
    PRIMARY KEY (part_no, site)
);

CREATE TABLE customer_order (
    order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    placed   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE order_line (
    order_id    bigint NOT NULL REFERENCES customer_order,
    line        integer NOT NULL,
    part_no     text NOT NULL REFERENCES part,
    site        text NOT NULL REFERENCES site,
    status      text NOT NULL CHECK (status IN ('open', 'picking', 'shipped', 'cancelled')),
    qty         integer NOT NULL,
    qty_shipped integer NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, line)
);
CREATE INDEX order_line_todo ON order_line (order_id, line) WHERE status IN ('open', 'picking');

-- Parts on their way from one site to another: until they leave they are promised
-- there, from then on they are expected here.
CREATE TABLE transfer (
    transfer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    part_no     text NOT NULL REFERENCES part,
    from_site   text NOT NULL REFERENCES site,
    to_site     text NOT NULL REFERENCES site,
    status      text NOT NULL CHECK (status IN ('requested', 'in_transit', 'received')),
    qty         integer NOT NULL
);
CREATE INDEX transfer_todo ON transfer (transfer_id) WHERE status <> 'received';

-- Parts in the baskets of the counter's terminals, which are cleared together.
CREATE TABLE basket (
    terminal integer NOT NULL,
    part_no  text NOT NULL REFERENCES part,
    site     text NOT NULL REFERENCES site,
    qty      integer NOT NULL,
    PRIMARY KEY (terminal, part_no, site)
);

-- The journal of stock movements. Nobody outside the ERP needs it.
CREATE TABLE stock_move (
    move_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    part_no  text NOT NULL,
    site     text NOT NULL,
    bin      text,
    qty      numeric(12,3) NOT NULL,
    reason   text NOT NULL
);
