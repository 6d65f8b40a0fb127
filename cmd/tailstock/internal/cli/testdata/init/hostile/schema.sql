-- PostgreSQL. Names and values that would end a line, a comment, a quote or an expression of a configuration.
CREATE TABLE "it's: #part" (id integer PRIMARY KEY, "sku ""no"" #1" text NOT NULL UNIQUE);
CREATE TABLE "stock: {x} # 'y' \ %s" (
    id integer PRIMARY KEY, "it's: #part id" integer NOT NULL REFERENCES "it's: #part", "- site: #" text NOT NULL, "qty on hand: %d" integer NOT NULL,
    "status '#'" text NOT NULL, "true" boolean, "or" integer, U&"qty\000Aother" integer, "qty `tick`" integer);
CREATE TABLE U&"stock\000Alevels" (id integer PRIMARY KEY, sku text, site text, qty integer);
INSERT INTO "it's: #part" VALUES (1, 'A: #1');
INSERT INTO "stock: {x} # 'y' \ %s" VALUES (1, 1, 'X', 5, 'ok'), (2, 1, 'X', 3, E'void: #\'"\\'), (3, 1, 'X', 2, 'damaged: $HOME {} [x] %');
