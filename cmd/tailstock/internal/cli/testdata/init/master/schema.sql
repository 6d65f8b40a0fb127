-- PostgreSQL. The stock stands in the list of parts, and there is one place only.
CREATE TABLE parts (id serial PRIMARY KEY, partnumber text NOT NULL, description text, onhand numeric, rop real, obsolete boolean DEFAULT false, sellprice numeric, weight numeric);
INSERT INTO parts (partnumber, onhand, rop, obsolete) VALUES ('W-1', 17, 2, false), ('W-2', NULL, NULL, NULL), ('W-3', 5, 1, true);
