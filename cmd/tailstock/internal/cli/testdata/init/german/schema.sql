-- PostgreSQL. A trade's own software: balances with what is reserved and blocked, by ids.
CREATE TABLE artikel (artikel_id serial PRIMARY KEY, artikelnummer varchar(30) NOT NULL UNIQUE, bezeichnung text, preis numeric(10,2));
CREATE TABLE lager (lager_id serial PRIMARY KEY, kuerzel varchar(8) NOT NULL UNIQUE, bezeichnung text, aktiv boolean NOT NULL DEFAULT true);
CREATE TABLE lagerbestand (
    artikel_id integer NOT NULL REFERENCES artikel, lager_id integer NOT NULL REFERENCES lager,
    bestand numeric(12,3) NOT NULL, reserviert numeric(12,3), gesperrt numeric(12,3), mindestbestand numeric(12,3), maximalbestand numeric(12,3),
    meldebestand numeric(12,3), geaendert timestamp NOT NULL DEFAULT '2026-01-01',
    PRIMARY KEY (artikel_id, lager_id));
CREATE TABLE auftrag (auftrag_id serial PRIMARY KEY, kunde text, status text NOT NULL CHECK (status IN ('offen', 'teilgeliefert', 'erledigt', 'storniert')));
CREATE TABLE auftragsposition (
    auftrag_id integer NOT NULL REFERENCES auftrag, pos integer NOT NULL, artikel_id integer NOT NULL REFERENCES artikel,
    menge numeric(12,3) NOT NULL, gelieferte_menge numeric(12,3), einzelpreis numeric(10,2), PRIMARY KEY (auftrag_id, pos));
INSERT INTO artikel VALUES (1, 'BR-100', 'Bremsscheibe', 40), (2, 'OEL-5', 'Oelfilter', 7);
INSERT INTO lager VALUES (1, 'HH', 'Hamburg'), (2, 'M', 'München');
INSERT INTO lagerbestand (artikel_id, lager_id, bestand, reserviert, gesperrt, mindestbestand) VALUES (1, 1, 10, 2, 1, 3), (1, 2, 4, NULL, NULL, NULL), (2, 1, 7.5, 0, 0, 1);
INSERT INTO auftrag VALUES (1, 'Meier', 'offen');
INSERT INTO auftragsposition VALUES (1, 1, 1, 2, 0);
