-- The application of the ERP in schema.sql: what people at terminals and handheld
-- scanners do to its tables. Every call of app.step is one transaction of one of
-- them; several sessions may work at once.
CREATE SCHEMA app;

-- app.part_no makes numbers in the styles of four catalogues. Dots, spaces, slashes
-- and stars are as common in them as digits.
CREATE FUNCTION app.part_no(n integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE n % 4
        WHEN 0 THEN to_char(986000000 + n * 37, 'FM0999999999')
        WHEN 1 THEN to_char(n * 7919 % 100, 'FM09') || '.A' || to_char(n, 'FM09999') || '.1' || n % 10
        WHEN 2 THEN '34 ' || to_char(10 + n % 90, 'FM09') || ' 6 ' || to_char(n, 'FM000 000')
        ELSE 'W' || to_char(n, 'FM09999') || '/' || n % 9 || repeat('*', n % 2)
    END
$$;

CREATE FUNCTION app.any_site() RETURNS text LANGUAGE sql AS $$
    SELECT (ARRAY['DC-NORTH', 'DC-SOUTH', 'SHOP-01', 'SHOP-02', 'SHOP-03'])[1 + floor(random() * 5)::integer]
$$;

-- app.any_part prefers low numbers: a few parts make most of the business.
CREATE FUNCTION app.any_part(parts integer) RETURNS text LANGUAGE sql AS $$
    SELECT app.part_no(1 + floor(parts * random() ^ 3)::integer)
$$;

-- app.fill makes the catalogue and the bins, a thousand rows to a transaction.
CREATE PROCEDURE app.fill(parts integer, bins integer) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO site VALUES ('DC-NORTH', 'warehouse'), ('DC-SOUTH', 'warehouse'),
        ('SHOP-01', 'shop'), ('SHOP-02', 'shop'), ('SHOP-03', 'shop');
    INSERT INTO part SELECT app.part_no(n), (ARRAY['Bosch', 'Brembo', 'BMW', 'Mann'])[1 + n % 4],
        'Part ' || n, 1 + n % 6, round((3 + random() * 400)::numeric, 2) FROM generate_series(1, parts) n;
    COMMIT;
    INSERT INTO part_site SELECT app.part_no(n), 'SHOP-0' || 1 + n % 3, 1 + n % 4 FROM generate_series(1, parts, 5) n;
    COMMIT;
    FOR lowest IN 0 .. bins - 1 BY 1000 LOOP
        -- Part n lies in bin n of site n, n + parts, and so on: in several bins of several sites.
        INSERT INTO bin_stock
        SELECT (ARRAY['DC-NORTH', 'DC-SOUTH', 'DC-NORTH', 'SHOP-01', 'SHOP-02', 'SHOP-03', 'DC-SOUTH'])[1 + (n / parts + n) % 7],
            chr(65 + n % 8) || '-' || to_char(n / 8, 'FM0000'), app.part_no(1 + n % parts),
            CASE n % 20 WHEN 7 THEN 'QC' WHEN 8 THEN 'VOID' WHEN 9 THEN 'BULK' ELSE 'PICK' END, 5 + n % 40
        FROM generate_series(lowest, least(lowest + 999, bins - 1)) n;
        COMMIT;
    END LOOP;
END
$$;

-- app.take removes up to wanted pieces of a part from a site's bins, and returns how
-- many bins it touched and how many pieces it found.
CREATE FUNCTION app.take(the_part text, the_site text, wanted numeric, OUT touched integer, OUT got numeric) LANGUAGE plpgsql AS $$
DECLARE
    b record;
    n numeric;
BEGIN
    touched := 0;
    got := 0;
    FOR b IN SELECT bin, qty FROM bin_stock
        WHERE part_no = the_part AND site = the_site AND bin_type IN ('PICK', 'BULK') AND qty > 0
        ORDER BY bin_type DESC, bin FOR UPDATE SKIP LOCKED
    LOOP
        EXIT WHEN got = wanted;
        n := least(b.qty, wanted - got);
        UPDATE bin_stock SET qty = qty - n WHERE part_no = the_part AND site = the_site AND bin = b.bin;
        INSERT INTO stock_move (part_no, site, bin, qty, reason) VALUES (the_part, the_site, b.bin, -n, 'pick');
        touched := touched + 1;
        got := got + n;
    END LOOP;
END
$$;

-- app.receive books a delivery of a part into a bin of a site.
CREATE FUNCTION app.receive(the_part text, the_site text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    SELECT pack_qty * (1 + floor(random() * 4)::integer) INTO n FROM part WHERE part_no = the_part;
    INSERT INTO bin_stock VALUES (the_site, 'IN-1', the_part, 'PICK', n)
        ON CONFLICT (site, bin, part_no) DO UPDATE SET qty = bin_stock.qty + excluded.qty;
    INSERT INTO stock_move (part_no, site, bin, qty, reason) VALUES (the_part, the_site, 'IN-1', n, 'receipt');
    RETURN 1;
END
$$;

-- app.order_parts places an order of one to four lines.
CREATE FUNCTION app.order_parts(parts integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    the_order bigint;
    lines integer := 1 + floor(random() * 4)::integer;
BEGIN
    INSERT INTO customer_order (customer) VALUES ('garage ' || floor(random() * 500)) RETURNING order_id INTO the_order;
    INSERT INTO order_line (order_id, line, part_no, site, status, qty)
        SELECT the_order, l, app.any_part(parts), app.any_site(), 'open', 1 + floor(random() * 4)::integer
        FROM generate_series(1, lines) l;
    RETURN lines;
END
$$;

-- app.work_off moves the oldest line that nobody works on one step: open lines are
-- picked or, now and then, cancelled; picked ones are shipped as far as stock goes.
CREATE FUNCTION app.work_off() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    l order_line;
    t record;
BEGIN
    SELECT * INTO l FROM order_line WHERE status IN ('open', 'picking')
        ORDER BY order_id, line LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF l.status = 'open' THEN
        UPDATE order_line SET status = CASE WHEN random() < 0.1 THEN 'cancelled' ELSE 'picking' END
            WHERE order_id = l.order_id AND line = l.line;
        RETURN 1;
    END IF;
    SELECT * INTO t FROM app.take(l.part_no, l.site, l.qty - l.qty_shipped);
    UPDATE order_line SET qty_shipped = qty_shipped + t.got,
        status = CASE WHEN qty_shipped + t.got = qty THEN 'shipped' WHEN t.got = 0 THEN 'cancelled' ELSE 'picking' END
        WHERE order_id = l.order_id AND line = l.line;
    RETURN 1 + t.touched;
END
$$;

-- app.transfer_parts asks for parts from another site, sends them, or takes them in.
CREATE FUNCTION app.transfer_parts(parts integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    m transfer;
    t record;
BEGIN
    IF random() < 0.4 THEN
        INSERT INTO transfer (part_no, from_site, to_site, status, qty)
            VALUES (app.any_part(parts), 'DC-NORTH', 'SHOP-0' || 1 + floor(random() * 3)::integer, 'requested', 1 + floor(random() * 6)::integer);
        RETURN 1;
    END IF;
    SELECT * INTO m FROM transfer WHERE status <> 'received' ORDER BY transfer_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF m.status = 'in_transit' THEN
        UPDATE transfer SET status = 'received' WHERE transfer_id = m.transfer_id;
        INSERT INTO bin_stock VALUES (m.to_site, 'IN-1', m.part_no, 'PICK', m.qty)
            ON CONFLICT (site, bin, part_no) DO UPDATE SET qty = bin_stock.qty + excluded.qty;
        RETURN 2;
    END IF;
    SELECT * INTO t FROM app.take(m.part_no, m.from_site, m.qty);
    IF t.got = 0 THEN
        DELETE FROM transfer WHERE transfer_id = m.transfer_id;
    ELSE
        UPDATE transfer SET status = 'in_transit', qty = t.got WHERE transfer_id = m.transfer_id;
    END IF;
    RETURN 1 + t.touched;
END
$$;

-- app.merge_bins puts what lies in two bins of a site into one of them.
CREATE FUNCTION app.merge_bins(the_part text, the_site text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    pair record;
BEGIN
    SELECT array_agg(bin) AS bins, sum(qty) AS qty INTO pair FROM (
        SELECT bin, qty FROM bin_stock WHERE part_no = the_part AND site = the_site AND bin_type = 'PICK'
        ORDER BY bin LIMIT 2 FOR UPDATE SKIP LOCKED) b;
    IF coalesce(cardinality(pair.bins), 0) < 2 THEN
        RETURN 0;
    END IF;
    DELETE FROM bin_stock WHERE part_no = the_part AND site = the_site AND bin = pair.bins[1];
    UPDATE bin_stock SET qty = pair.qty WHERE part_no = the_part AND site = the_site AND bin = pair.bins[2];
    RETURN 2;
END
$$;

-- app.move_bin carries a bin to another place: its key changes, and at times its site.
CREATE FUNCTION app.move_bin(the_part text, the_site text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    UPDATE bin_stock SET bin = 'M-' || to_char(floor(random() * 1000000), 'FM099999'),
        site = CASE WHEN random() < 0.3 THEN app.any_site() ELSE site END
        WHERE (site, bin, part_no) IN (
            SELECT site, bin, part_no FROM bin_stock WHERE part_no = the_part AND site = the_site
            ORDER BY bin LIMIT 1 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
EXCEPTION WHEN unique_violation THEN
    RETURN 0;
END
$$;

-- app.count_stock counts the bins of a part at a site. Somebody confirms a wrong
-- list first, and takes it back.
CREATE FUNCTION app.count_stock(the_part text, the_site text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    BEGIN
        UPDATE bin_stock SET qty = qty + 1000, counted_at = clock_timestamp()
            WHERE part_no = the_part AND site = the_site;
        RAISE EXCEPTION 'the wrong list';
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
    UPDATE bin_stock SET qty = greatest(qty + floor(random() * 3) - 1, 0), counted_at = clock_timestamp()
        WHERE (site, bin, part_no) IN (
            SELECT site, bin, part_no FROM bin_stock WHERE part_no = the_part AND site = the_site
            ORDER BY bin FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- app.inspect books a bin into quality control, frees it, or closes it.
CREATE FUNCTION app.inspect(the_part text, the_site text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    UPDATE bin_stock SET bin_type = CASE bin_type WHEN 'PICK' THEN 'QC' WHEN 'QC' THEN 'VOID' ELSE 'PICK' END,
        note = CASE WHEN random() < 0.1 THEN repeat('returned by customer, box damaged; ', 100) END
        WHERE (site, bin, part_no) IN (
            SELECT site, bin, part_no FROM bin_stock WHERE part_no = the_part AND site = the_site
            ORDER BY bin DESC LIMIT 1 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- app.use_basket fills the baskets at the counter, or clears them all.
CREATE FUNCTION app.use_basket(parts integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.03 THEN
        TRUNCATE basket;
    ELSE
        INSERT INTO basket VALUES (floor(random() * 20)::integer, app.any_part(parts), 'SHOP-0' || 1 + floor(random() * 3)::integer, 1)
            ON CONFLICT (terminal, part_no, site) DO UPDATE SET qty = basket.qty + 1;
    END IF;
    RETURN 1;
END
$$;

-- app.plan sets or drops what a shop wants to keep of a part.
CREATE FUNCTION app.plan(the_part text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    IF random() < 0.3 THEN
        DELETE FROM part_site WHERE part_no = the_part AND site = 'SHOP-01';
    ELSE
        INSERT INTO part_site VALUES (the_part, 'SHOP-01', 1 + floor(random() * 5)::integer)
            ON CONFLICT (part_no, site) DO UPDATE SET min_stock = excluded.min_stock;
    END IF;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- app.step does one thing that somebody does all day, and returns how many rows of
-- the tables that Tailstock follows it changed.
CREATE FUNCTION app.step(parts integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    choice double precision := random() * 100;
    the_part text := app.any_part(parts);
    the_site text := app.any_site();
BEGIN
    RETURN CASE
        WHEN choice < 20 THEN app.receive(the_part, the_site)
        WHEN choice < 28 THEN app.order_parts(parts)
        WHEN choice < 74 THEN app.work_off()
        WHEN choice < 81 THEN app.transfer_parts(parts)
        WHEN choice < 84 THEN app.merge_bins(the_part, the_site)
        WHEN choice < 88 THEN app.move_bin(the_part, the_site)
        WHEN choice < 92 THEN app.count_stock(the_part, the_site)
        WHEN choice < 95 THEN app.inspect(the_part, the_site)
        WHEN choice < 98 THEN app.use_basket(parts)
        ELSE app.plan(the_part)
    END;
END
$$;
